// Executing commands and queries: whatever a machine does, there is a reply, and it is the same on every replica.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import type { StepContext } from "../../src/machine/definition.ts";
import { kv } from "../../src/machine/kv.ts";
import { encodeCall } from "../../src/protocol/calls.ts";
import { MachineError } from "../../src/protocol/errors.ts";
import { Host, okValue, SESSION, sameBytes } from "./support.ts";

const anything = v.unknown();
const kept: { ctx: StepContext | undefined } = { ctx: undefined };
const log = (state: string[], text: unknown): void => void state.push(String(text));

const odd = defineMachine({
  name: "odd",
  version: 1,
  init: (): string[] => [],
  commands: {
    log: command(v.string(), log),
    echo: command(anything, (_state, input) => input),
    refuse: command(anything, (state, data) => {
      state.push("refused");
      throw new MachineError("NO", data);
    }),
    fail: command(v.string(), (state, text) => {
      state.push("failed");
      throw new Error(text);
    }),
    throwNothing: command(anything, () => {
      throw undefined;
    }),
    promise: command(anything, (state): unknown => {
      state.push("promised");
      return Promise.reject(new Error("nobody hears this"));
    }),
    function: command(anything, () => () => 1),
    large: command(v.number(), (_state, bytes) => new Uint8Array(bytes)),
    refuseLarge: command(v.number(), (_state, bytes) => {
      throw new MachineError("NO", new Uint8Array(bytes));
    }),
    parsed: command(v.pipe(v.string(), v.transform(Number), v.number()), (_state, number) => number),
    badSchema: command(
      v.pipe(
        v.string(),
        v.transform((): number => {
          throw new Error("schema");
        }),
      ),
      () => 1,
    ),
    facts: command(anything, (_state, _input, ctx) => ({
      now: ctx.now,
      session: ctx.session,
      viewstamp: ctx.viewstamp,
      random: [ctx.random(), ctx.random(), ctx.random()],
    })),
    taken: command(anything, (_state, _input, { random, notify, session }) => {
      notify(session, "hello");
      return random();
    }),
    keep: command(anything, (_state, _input, ctx) => {
      kept.ctx = ctx;
    }),
    notifyBadly: command(anything, (state, value, ctx) => {
      ctx.notify(SESSION, "first");
      state.push("notified");
      ctx.notify(SESSION, value);
    }),
    notifyNobody: command(v.string(), (_state, session, ctx) => ctx.notify(session, 1)),
  },
  queries: {
    all: query(anything, (state) => state),
    now: query(anything, (_state, _input, ctx) => ctx.now),
    number: query(v.number(), (_state, number) => number),
    refuseIt: query(anything, () => {
      throw new MachineError("NOT_HERE", { why: "a test" });
    }),
    later: query(anything, (): unknown => Promise.resolve(1)),
  },
});

const FAILED = "the machine threw something other than a MachineError: each replica's observer is told what";

function failedAt(where: string): Host {
  const host = new Host(odd);
  const reply = host.run("odd", where, "text");
  assert.equal(reply, { type: "failed", code: "MachineFailed", text: FAILED });
  assert.is(host.faults.length, 1);
  assert.is(host.faults[0]!.where, where);
  assert.equal(host.faults[0]!.viewstamp, { vid: 1, seqno: 1 });
  return host;
}

test("a refusal is the reply; what was changed before it stays", () => {
  const host = new Host(odd);
  assert.equal(host.run("odd", "refuse", { left: 3 }), { type: "refused", code: "NO", data: { left: 3 } });
  assert.equal(host.run("odd", "refuse"), { type: "refused", code: "NO", data: undefined });
  assert.equal(host.ask("odd", "all"), ["refused", "refused"]);
  assert.equal(host.faults, []);
});

test("any other throw gives one fixed reply, and its text goes to trace only", () => {
  const host = failedAt("fail");
  assert.match((host.faults[0]!.error as Error).message, "text");
  assert.equal(host.ask("odd", "all"), ["failed"]);
  failedAt("throwNothing");
  failedAt("badSchema");
});

test("a promise is a failure, and its rejection harms nobody", () => {
  assert.equal(failedAt("promise").ask("odd", "all"), ["promised"]);
  assert.is(new Host(odd).query("odd", "later").type, "failed");
});

test("a reply that the codec cannot carry is a failure", () => {
  failedAt("function");
});

test("a refusal with data that the codec cannot carry is a failure", () => {
  const machine = defineMachine({
    name: "m",
    version: 1,
    init: () => ({}),
    commands: {
      no: command(anything, () => {
        throw new MachineError("NO", () => 1);
      }),
    },
  });
  assert.equal(new Host(machine).run("m", "no"), { type: "failed", code: "MachineFailed", text: FAILED });
});

test("a reply beyond the limit says so", () => {
  const host = new Host(odd, { maxReplyBytes: 100 });
  assert.is((host.value("odd", "large", 80) as Uint8Array).length, 80);
  const tooLarge = { type: "failed", code: "MachineFailed", text: "the reply has more than 100 bytes" };
  assert.equal(host.run("odd", "large", 100), tooLarge);
  assert.equal(host.run("odd", "refuseLarge", 100), tooLarge);
});

test("a trace that throws changes nothing", () => {
  const trace = (): never => {
    throw new Error("full disk");
  };
  assert.is(new Host(odd, { trace }).run("odd", "fail", "text").type, "failed");
});

test("input is parsed by its schema, and refused with the place", () => {
  const host = new Host(odd);
  assert.is(host.value("odd", "parsed", "17"), 17);
  assert.equal(host.run("odd", "log", 1), {
    type: "failed",
    code: "InvalidInput",
    text: 'input of odd.log: the schema\'s "string" refuses it',
  });
  const put = host.query("odd", "number", "1");
  assert.is(put.type === "failed" && put.code, "InvalidInput");
  assert.equal(new Host(kv).run("kv", "put", { key: 1, value: "" }), {
    type: "failed",
    code: "InvalidInput",
    text: 'input of kv.put at key: the schema\'s "string" refuses it',
  });
  assert.equal(host.ask("odd", "all"), []);
});

test("a reply to bad input does not depend on valibot's language", () => {
  const bad = encodeCall("odd", "log", 1);
  const before = new Host(odd).runBytes(bad);
  v.setGlobalMessage(() => "nein");
  const after = new Host(odd).runBytes(bad);
  v.deleteGlobalMessage();
  sameBytes(after, before);
});

test("what nobody has is unknown", () => {
  const host = new Host([odd, kv]);
  const unknown = (text: string): unknown => ({ type: "failed", code: "UnknownCommand", text });
  assert.equal(host.run("nobody", "log", ""), unknown('the cluster runs no machine "nobody"'));
  assert.equal(host.query("\ud800", "log"), unknown('the cluster runs no machine "\\ud800"'));
  assert.equal(host.run("odd", "nothing"), unknown('version 1 of machine "odd" has no command "nothing"'));
  assert.equal(host.run("odd", "constructor"), unknown('version 1 of machine "odd" has no command "constructor"'));
  assert.equal(host.run("odd", "all"), unknown('version 1 of machine "odd" has no command "all"'));
  assert.equal(host.query("odd", "log", ""), unknown('version 1 of machine "odd" has no query "log"'));
});

test("bytes that are no call get a reply too", () => {
  const host = new Host(odd);
  for (const bytes of [[], [0xff], [0xb1, 0], [0xb3, 0, 0, 0], [0xd0]]) {
    sameBytes(host.runBytes(new Uint8Array(bytes)), host.machine.query(new Uint8Array([1, 2, 3]), 0));
  }
});

test("a query changes nothing, may refuse, and knows the replicated time", () => {
  const host = new Host(odd);
  assert.is(host.ask("odd", "now"), 1000);
  assert.equal(host.query("odd", "refuseIt"), { type: "refused", code: "NOT_HERE", data: { why: "a test" } });
});

test("a command knows its time, session and viewstamp", () => {
  const host = new Host(odd);
  host.now = 77;
  const facts = host.value("odd", "facts", null, "3.14") as { random: unknown };
  assert.equal({ ...facts, random: 0 }, { now: 77, session: "3.14", viewstamp: { vid: 1, seqno: 1 }, random: 0 });
});

test("randomness is the same on every replica and engine, and another for every entry", () => {
  const randoms = (host: Host): number[] => (host.value("odd", "facts") as { random: number[] }).random;
  const [one, two] = [new Host(odd), new Host(odd)];
  const first = randoms(one);
  assert.equal(first, [0.9541379514381638, 0.002247360330429049, 0.4594756244337658]);
  assert.equal(randoms(two), first);
  const restored = new Host(odd);
  restored.seqno = 2;
  randoms(one);
  assert.equal(randoms(restored), randoms(one), "what came before does not matter");
  const all = Array.from({ length: 300 }, () => randoms(one)).flat();
  assert.is(new Set(all).size, 900);
  assert.ok(all.every((random) => random >= 0 && random < 1));
  const mean = all.reduce((sum, random) => sum + random, 0) / all.length;
  assert.ok(Math.abs(mean - 0.5) < 0.05, `mean ${mean}`);
});

test("the context may be taken apart, but not be kept", () => {
  const host = new Host(odd);
  assert.type(host.value("odd", "taken"), "number");
  assert.equal(host.notices, [{ session: SESSION, machine: "odd", value: "hello" }]);
  host.value("odd", "keep");
  assert.throws(() => kept.ctx!.notify(SESSION, 1), /after its handler had returned/);
  assert.throws(() => kept.ctx!.random(), /after its handler had returned/);
  host.value("odd", "log", "x");
  assert.is(host.notices.length, 1);
});

test("a notice that cannot be sent fails the command; those before it are sent, as the state stays changed", () => {
  const host = new Host(odd, { maxReplyBytes: 100 });
  const schemaless = defineMachine({
    name: "m",
    version: 1,
    init: () => ({}),
    commands: { bad: command(anything, (_state, _input, ctx) => ctx.notify(SESSION, () => 1)) },
  });
  assert.is(host.run("odd", "notifyBadly", new Uint8Array(100)).type, "failed");
  assert.equal(host.notices, [{ session: SESSION, machine: "odd", value: "first" }]);
  assert.equal(host.ask("odd", "all"), ["notified"]);
  assert.is(host.run("odd", "notifyNobody", "everybody").type, "failed");
  assert.is(new Host(schemaless).run("m", "bad").type, "failed");
});

test("the state and the reply share nothing", () => {
  const host = new Host(odd);
  host.value("odd", "log", "a");
  (host.ask("odd", "all") as string[]).push("b");
  assert.equal(host.ask("odd", "all"), ["a"]);
});

test("several machines run side by side, in the order of their names", () => {
  const one = new Host([odd, kv]);
  const two = new Host([kv, odd]);
  assert.equal(one.machine.versions, [
    { name: "kv", version: 1 },
    { name: "odd", version: 1 },
  ]);
  assert.equal(two.machine.versions, one.machine.versions);
  one.value("odd", "log", "a");
  one.value("kv", "put", { key: "a", value: "b" });
  assert.equal(one.ask("odd", "all"), ["a"]);
  assert.equal(okValue(one.query("kv", "get", "a")), { value: "b", version: 2 });
});

test.run();
