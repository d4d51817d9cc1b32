/**
 * Faults in several steps: what only a long chain of accidents would bring about is brought about on purpose. Each step waits
 * for what the last one has led to; where that does not come, the rest does not happen.
 * @module
 */
import type { Ballot } from "../protocol/ballot.ts";
import type { Accept, Invoke, PeerMessage } from "../protocol/messages.ts";
import type { Sending } from "./aims.ts";
import { cutFor, type Fault, later, onNode, type Stage, TELLING } from "./fault.ts";
import { entryIn } from "./ledger/facts.ts";
import type { SimNode } from "./node.ts";
import type { Host } from "./process.ts";
import type { Random } from "./random.ts";

/** A plot that has not gone on after this long is given up. */
const MOST_MS = 4000;
const LOOK_MS = 40;

function isAccept(message: PeerMessage): message is Accept {
  return message.type === "accept";
}

/** Whether it would make a log equal to the sender's, because the log holds the place before it. */
function isFitting(message: PeerMessage, { core }: SimNode): boolean {
  if (message.type !== "invoke" || message.entries.length === 0 || core === undefined) return false;
  const { seqno, vid } = message.previous;
  return seqno <= core.log.base.seqno || entryIn(core, seqno)?.vid === vid;
}

function isOf({ ballot }: Accept, other: Ballot): boolean {
  return ballot.round === other.round && ballot.node === other.node;
}

function pairsOf(node: SimNode, stage: Stage): (readonly [Host, Host])[] {
  const others = stage.nodes.filter((other) => other !== node).map(({ host }) => host);
  return others.flatMap((other) => [[node.host, other] as const, [other, node.host] as const]);
}

/** Cuts a node off from the others; the function it gives lets it come back, without what was on its way meanwhile. */
function cutOff(node: SimNode, stage: Stage): () => void {
  const pairs = pairsOf(node, stage);
  for (const [from, to] of pairs) stage.network.cut(from, to);
  return () => {
    if (stage.healed) return;
    const others = new Set(stage.nodes.map(({ host }) => host));
    for (const connection of stage.network.connections()) {
      const [a, b] = connection.hosts;
      if ((a === node.host && others.has(b)) || (b === node.host && others.has(a))) connection.reset();
    }
    for (const [from, to] of pairs) stage.network.heal(from, to);
  };
}

/** Goes on as soon as it is so. */
function when(stage: Stage, isSo: () => boolean, go: () => void): void {
  const { world } = stage;
  const end = world.now + MOST_MS;
  const look = (): void => {
    if (stage.healed || world.now > end) return;
    if (isSo()) go();
    else world.after(LOOK_MS, look);
  };
  look();
}

/** The primary of an active view newer than this one. */
function primaryAfter({ nodes }: Stage, vid: number): SimNode | undefined {
  return nodes.find(({ core }) => core?.role === "primary" && (core.activeVid ?? 0) > vid);
}

/** Two of a kind at once would spoil each other; what they do takes three nodes. */
function oneAtATime(plot: (stage: Stage, random: Random) => void): Fault {
  const busy = new WeakMap<Stage, number>();
  return (stage, random) => {
    const { now } = stage.world;
    if (stage.nodes.length < 3 || now < (busy.get(stage) ?? 0)) return false;
    busy.set(stage, now + MOST_MS);
    plot(stage, random);
    return true;
  };
}

function loseFor(stage: Stage, ms: number, isLost: (sending: Sending) => boolean): void {
  stage.world.after(ms, stage.aims.lose(isLost));
}

/**
 * Two acceptors hold different values of one instance, and meet: one proposer is cut off while only it has accepted its own
 * value; the next one's value gets no further either; then both are there, and perhaps nobody else.
 */
function twoAccepted(stage: Stage, random: Random): void {
  stage.aims.arm({
    isIt: ({ message }) => isAccept(message),
    spared: 0,
    strike: ({ from: first, message }) => {
      const { instance, ballot } = message as Accept;
      const mend = stage.aims.lose((one) => isAccept(one.message) && isOf(one.message, ballot));
      const back = cutOff(first, stage);
      later(stage, random, MOST_MS, MOST_MS, back);
      stage.aims.arm({
        isIt: ({ from, message: other }) => isAccept(other) && other.instance === instance && from !== first,
        spared: 0,
        strike: ({ from: second, message: other }) => {
          const { ballot: higher } = other as Accept;
          loseFor(stage, MOST_MS, (one) => isAccept(one.message) && isOf(one.message, higher));
          mend();
          const third = random.pick(stage.nodes.filter((node) => node !== first && node !== second));
          if (random.chance(0.8)) cutFor(stage, random, pairsOf(third, stage));
          back();
          return false;
        },
      });
      return false;
    },
  });
}

/**
 * A primary is cut off with entries that nobody else has, and comes back when others have been stamped in their places and yet
 * another view has begun; the first it hears of them is lost.
 */
function anotherLog(stage: Stage, random: Random): boolean {
  if (stage.nodes.length < 3) return false;
  stage.aims.arm({
    isIt: ({ from, message }) =>
      message.type === "invoke" && message.entries.length > 0 && from.core?.activeVid === message.vid,
    spared: random.integer(0, 2),
    strike: ({ from: old, message }) => {
      const { vid } = message as Invoke;
      const back = cutOff(old, stage);
      later(stage, random, MOST_MS, 2 * MOST_MS, back);
      const again = (): void => {
        const next = primaryAfter(stage, vid);
        const after = next?.core?.activeVid ?? 0;
        next?.die("kill");
        next?.start();
        when(
          stage,
          () => primaryAfter(stage, after) !== undefined,
          () => {
            let left = random.integer(1, 6);
            loseFor(stage, MOST_MS, ({ to, message: one }) => to === old && isFitting(one, old) && left-- > 0);
            back();
          },
        );
      };
      when(
        stage,
        () => primaryAfter(stage, vid) !== undefined,
        () => later(stage, random, 20, 300, again),
      );
      return false;
    },
  });
  return true;
}

/** A client's wall clock is set back; a while later its machine sleeps, and only that clock tells. */
function sleepsAfterSetClock(stage: Stage, random: Random): boolean {
  const up = stage.clients.filter((client) => client.up);
  if (up.length === 0) return false;
  const { host } = random.pick(up);
  host.jumpWall(-random.between(5000, 100_000));
  later(stage, random, 100, 1500, () => {
    host.pause(true);
    later(stage, random, 400, 3500, () => host.resume());
  });
  return true;
}

export const PLOTS: Readonly<Record<string, Fault>> = {
  "messages lost": onNode((node, stage, random) => {
    const type = random.chance(0.4) ? "accept" : random.pick(TELLING);
    const deaf = new Set(stage.nodes.filter(() => random.chance(0.7)));
    loseFor(
      stage,
      random.between(100, 2500),
      ({ from, to, message }) => from === node && deaf.has(to) && message.type === type,
    );
  }),
  "two accepted values": oneAtATime(twoAccepted),
  "comes back with another log": anotherLog,
  "client sleeps after a set clock": sleepsAfterSetClock,
};
