import { test } from "uvu";
import * as assert from "uvu/assert";
import { Acceptor } from "../../src/paxos/acceptor.ts";
import type { Ballot } from "../../src/protocol/ballot.ts";
import { textOf, viewOf } from "../config/views.ts";

const VALUES = { ab: viewOf("a* b"), bc: viewOf("b* c") };

function ballotOf(word: string): Ballot {
  return { round: Number(word.slice(0, -1)), node: word.slice(-1) };
}

function state(acceptor: Acceptor): string {
  const { promised, accepted } = acceptor;
  const show = (ballot: Ballot | undefined): string => (ballot === undefined ? "-" : `${ballot.round}${ballot.node}`);
  return `${show(promised)} ${show(accepted?.ballot)} ${accepted === undefined ? "-" : textOf(accepted.value)}`;
}

/** Each line: `prepare BALLOT` or `accept BALLOT VALUE`, then what must follow: `yes` or `no`, promised, accepted, value. */
function follow(acceptor: Acceptor, transcript: string): void {
  for (const line of transcript.trim().split("\n")) {
    const [asked = "", expected = ""] = line.split("->").map((part) => part.trim());
    const [what, ballot = "", value = ""] = asked.split(" ");
    const done =
      what === "prepare"
        ? acceptor.prepare(ballotOf(ballot))
        : acceptor.accept(ballotOf(ballot), VALUES[value as keyof typeof VALUES]);
    assert.is(`${done ? "yes" : "no"} ${state(acceptor)}`, expected, line);
  }
}

test("an acceptor promises ever higher ballots, and the same one again", () => {
  follow(
    new Acceptor(8),
    `prepare 1a -> yes 1a - -
     prepare 1a -> yes 1a - -
     prepare 1b -> yes 1b - -
     prepare 1a -> no 1b - -
     prepare 3a -> yes 3a - -
     prepare 2c -> no 3a - -`,
  );
});

test("an acceptor accepts nothing below its promise", () => {
  follow(
    new Acceptor(8),
    `prepare 2b -> yes 2b - -
     accept 1c ab -> no 2b - -
     accept 2a ab -> no 2b - -
     accept 2b ab -> yes 2b 2b a* b
     accept 1a bc -> no 2b 2b a* b`,
  );
});

test("accepting is a promise too", () => {
  follow(
    new Acceptor(8),
    `accept 2b ab -> yes 2b 2b a* b
     prepare 2a -> no 2b 2b a* b
     accept 2a bc -> no 2b 2b a* b`,
  );
});

test("a higher ballot's value takes the place of the one accepted before, a promise does not", () => {
  follow(
    new Acceptor(8),
    `accept 1a ab -> yes 1a 1a a* b
     prepare 2b -> yes 2b 1a a* b
     accept 2b bc -> yes 2b 2b b* c`,
  );
});

test("one ballot has one value: the first one stands", () => {
  follow(
    new Acceptor(8),
    `accept 1a ab -> yes 1a 1a a* b
     accept 1a bc -> yes 1a 1a a* b`,
  );
});

test("what was promised and accepted before a restart binds after it", () => {
  const accepted = { ballot: ballotOf("2b"), value: VALUES.ab };
  const acceptor = new Acceptor(8, ballotOf("3a"), accepted);
  assert.is(acceptor.round, 3);
  follow(
    acceptor,
    `prepare 2c -> no 3a 2b a* b
     accept 2b ab -> no 3a 2b a* b
     prepare 3a -> yes 3a 2b a* b
     accept 3a bc -> yes 3a 3a b* c`,
  );
});

test("a new acceptor has no round", () => {
  assert.is(new Acceptor(8).round, 0);
});

test.run();
