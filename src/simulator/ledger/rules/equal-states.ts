/**
 * Rule 10. The running hash is over viewstamps and replies; what a state holds beyond its replies, also the order of it, is
 * compared by the bytes of snapshots: those that nodes write, what they restore from them, and all states at the end.
 * @module
 */
import type { Facts } from "../facts.ts";
import type { Rule, StateEye } from "../observer.ts";
import { directLook, snapshotLook } from "./state-looks.ts";

/** The ledger makes so many snapshots of its own in a run, to hold those of the nodes against. */
const OWN_SNAPSHOTS = 8;

interface Seen {
  readonly value: number;
  readonly who: string;
}

export const equalStates: Rule = {
  number: 10,
  statement: "Never equal applied position with unequal state hash; never snapshot and log unequal to full replay.",
  watch(facts, violated) {
    const hashes = new Map<number, Seen>();
    const snapshots = new Map<number, Seen>();
    /** Of states as they were when a snapshot of them was begun. */
    const looks = new Map<number, Seen>();
    /** The place at which a node has just restored its state from a snapshot. */
    const restored = new Map<string, number>();
    let own = 0;
    const compare = (known: Map<number, Seen>, at: number, value: number, who: string, what: string): void => {
      const before = known.get(at);
      if (before === undefined) known.set(at, { value, who });
      else if (before.value !== value) violated(`${who} and ${before.who} differ in ${what} at ${at}`);
    };
    return {
      recovered(node, state) {
        restored.delete(node.id);
        if (state.snapshot !== undefined) restored.set(node.id, state.snapshot.at.seqno);
      },
      saves(node, core, { seqno }) {
        if (!looks.has(seqno)) looks.set(seqno, { value: directLook(core.state), who: node.id });
      },
      answered(node, core, _client, message) {
        if (message.type !== "copied" || message.index > 0) return;
        const { seqno } = message.at;
        const state = facts.replay?.applied === seqno ? facts.replay.state : core.state;
        if (!snapshots.has(seqno)) snapshots.set(seqno, { value: snapshotLook(state), who: node.id });
        if (!looks.has(seqno)) looks.set(seqno, { value: directLook(core.state), who: node.id });
      },
      copied({ at: { seqno }, digest, state }) {
        compare(snapshots, seqno, digest, "a copy", "the snapshots of their states");
        compare(looks, seqno, directLook(state), "a copy", "their sessions or locks");
        const replayed = facts.replay?.hashAt(seqno);
        if (replayed !== undefined && replayed !== state.hash)
          violated(`a copy differs in its state at ${seqno} from a full replay`);
      },
      snapshot(node, { at }, digest) {
        if (digest === undefined) return;
        if (facts.replay?.applied === at.seqno && !snapshots.has(at.seqno) && own++ < OWN_SNAPSHOTS)
          snapshots.set(at.seqno, { value: snapshotLook(facts.replay.state), who: "a full replay" });
        compare(snapshots, at.seqno, digest, node.id, "their snapshots");
      },
      moved(node, core, before, event) {
        if (event.type === "snapshotInstalled") restored.set(node.id, event.snapshot.at.seqno);
        const { applied, state } = core;
        if (restored.get(node.id) === applied) {
          compare(snapshots, applied, snapshotLook(state), `${node.id}, restored,`, "the snapshots of their states");
          compare(looks, applied, directLook(state), `${node.id}, restored,`, "their sessions or locks");
        }
        restored.delete(node.id);
        if (applied === before?.applied) return;
        const replayed = facts.replay?.hashAt(applied);
        if (replayed === undefined) compare(hashes, applied, state.hash, node.id, "their state");
        else if (replayed !== state.hash) violated(`${node.id} differs in its state at ${applied} from a full replay`);
      },
      committed(node, _view, from, through) {
        for (let seqno = Math.max(from, 1) + 1; seqno <= through; seqno++) {
          const [time, past] = [facts.committed(seqno)?.entry.time ?? 0, facts.committed(seqno - 1)?.entry.time ?? 0];
          if (time < past) violated(`${node.id} commits ${seqno} with the time ${time}, after ${past}`);
        }
      },
      ended() {
        for (const fault of differencesAtEnd(facts)) violated(fault);
      },
    };
  },
};

function differencesAtEnd(facts: Facts): string[] {
  const faults: string[] = [];
  const states = [...statesOf(facts)];
  for (const [index, [who, applied, state]] of states.entries()) {
    const other = states.findIndex(([, place]) => place === applied);
    const [before, , first] = states[other] as (typeof states)[number];
    if (other === index) continue;
    const isSame = snapshotLook(state) === snapshotLook(first) && directLook(state) === directLook(first);
    if (!isSame) faults.push(`${who} and ${before} differ in their whole states at ${applied}`);
  }
  return faults;
}

function* statesOf({ replay, nodes }: Facts): Generator<readonly [who: string, applied: number, state: StateEye]> {
  if (replay !== undefined) yield ["a full replay", replay.applied, replay.state];
  for (const { id, core } of nodes.values()) if (core !== undefined) yield [id, core.applied, core.state];
}
