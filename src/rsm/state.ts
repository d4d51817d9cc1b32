/**
 * The replicated state: sessions and the machine, changed by committed entries only, in order (design.md 4.7).
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import { assert, ViewstampError } from "../protocol/errors.ts";
import type { EntryContext, MachineVersion, Notice, ReplicatedMachine, Restoration } from "../protocol/machine.ts";
import { cannotRun, canRun, sameVersions } from "../protocol/machine-versions.ts";
import type { SessionId } from "../protocol/session.ts";
import { decodeUpgrade } from "../protocol/upgrade-body.ts";
import { decodeValue } from "../protocol/values.ts";
import { ORIGIN, sameViewstamp, type Viewstamp } from "../protocol/view.ts";
import { extendHash } from "./hash.ts";
import { type Session, SessionTable } from "./sessions.ts";
import { chunksOfState, type StateHeader, StateRestoration } from "./state-chunks.ts";

const EMPTY = new Uint8Array(0);

/** What stands for the outcome of an upgrade in the running hash: replicas of which only some could migrate differ. */
const MIGRATED = new Uint8Array([1]);
const NOT_MIGRATED = new Uint8Array([0]);

/** What executing one entry gave. */
export interface AppliedEntry {
  /** The reply of a request; `undefined` where there is none to give (its session is over, or it is no request). */
  readonly reply: Uint8Array | undefined;
  /** It was executed before and gave its old reply. */
  readonly duplicate: boolean;
  readonly notices: readonly Notice[];
}

const NOTHING: AppliedEntry = { reply: undefined, duplicate: false, notices: [] };

/** Rebuilds a state from its chunks. */
export interface CheckedRestoration extends Restoration {
  /** Changes nothing. @throws if chunks are missing */
  check(): void;
}

export class ReplicatedState {
  readonly machine: ReplicatedMachine;
  #sessions: SessionTable = new SessionTable();
  #applied: Viewstamp = ORIGIN;
  #time = 0;
  #hash = 0;
  /** The log begins with versions that this program cannot run: only a snapshot can give it a state. */
  #lacks: readonly MachineVersion[] | undefined;

  constructor(machine: ReplicatedMachine) {
    this.machine = machine;
  }

  /** The last entry executed. */
  get applied(): Viewstamp {
    return this.#applied;
  }

  /** Replicated time: that of the last entry executed, in milliseconds. */
  get time(): number {
    return this.#time;
  }

  get hash(): number {
    return this.#hash;
  }

  get sessions(): SessionTable {
    return this.#sessions;
  }

  /** What runs after the last entry executed. */
  get versions(): readonly MachineVersion[] {
    return this.machine.versions;
  }

  /** The empty state as the cluster began with it: before the first entry is executed. */
  begin(origin: readonly MachineVersion[]): void {
    assert(this.#applied.seqno === 0, "a state begins before its first entry");
    if (canRun(this.machine.able, origin)) this.machine.begin(origin);
    else this.#lacks = origin;
  }

  /**
   * Executes the next committed entry.
   * @throws {ViewstampError} `WrongMachine` if it is not for the versions that this program can run
   */
  apply(entry: Entry): AppliedEntry {
    if (this.#lacks !== undefined) throw cannotRun(this.machine.able, this.#lacks, "the cluster's log begins with");
    assert(entry.seqno === this.#applied.seqno + 1, "entries are executed in order, each once");
    this.#applied = { vid: entry.vid, seqno: entry.seqno };
    this.#time = Math.max(this.#time, entry.time);
    const result = this.#execute(entry, { now: this.#time, viewstamp: this.#applied });
    this.#hash = extendHash(this.#hash, entry, result.reply ?? EMPTY);
    return result;
  }

  /** `time`: replicated time now, for whoever knows it; that of the last entry otherwise. */
  query(body: Uint8Array, time: number = this.#time): Uint8Array {
    return this.machine.query(body, time);
  }

  /** The state now, as chunks that stay as they are while it changes. */
  snapshot(): Iterator<Uint8Array> {
    const header: StateHeader = { at: this.#applied, time: this.#time, hash: this.#hash };
    return chunksOfState(header, this.#sessions, this.machine.snapshot());
  }

  /** Rebuilds the state as it was at `at`; nothing changes until `finish`. */
  restore(at: Viewstamp): CheckedRestoration {
    const restoration = new StateRestoration(this.machine.restore());
    const whole = (): ReturnType<StateRestoration["finish"]> => {
      const parts = restoration.finish();
      if (sameViewstamp(parts.header.at, at)) return parts;
      throw new ViewstampError("BadMessage", `snapshot of place ${parts.header.at.seqno}, not ${at.seqno}`);
    };
    return {
      chunk: (bytes) => restoration.chunk(bytes),
      check: () => void whole(),
      finish: () => {
        const { header, sessions } = whole();
        restoration.finishMachine();
        this.#lacks = undefined;
        this.#sessions = sessions;
        this.#applied = header.at;
        this.#time = header.time;
        this.#hash = header.hash;
      },
    };
  }

  #execute(entry: Entry, context: EntryContext): AppliedEntry {
    switch (entry.kind) {
      case "open":
        this.#sessions.open(entry, ttlOf(entry));
        return NOTHING;
      case "command":
      case "skip":
        return this.#executeRequest(entry, context);
      case "end": {
        const session = this.#sessions.end(entry.session);
        if (session === undefined) return NOTHING;
        return { ...NOTHING, notices: this.machine.endSession(session.id, entry.body.length > 0, context) };
      }
      case "tick":
        return { ...NOTHING, notices: this.machine.tick(context) };
      case "upgrade":
        return this.#upgrade(entry);
    }
  }

  #executeRequest(entry: Entry, context: EntryContext): AppliedEntry {
    const session = this.#sessions.get(entry.session);
    if (session === undefined) return NOTHING;
    if (entry.number <= session.lastNumber) {
      return { reply: session.replies.get(entry.number), duplicate: true, notices: [] };
    }
    assert(entry.number === session.lastNumber + 1, "a session's numbers are stamped consecutively");
    this.#sessions.changes(session);
    session.acknowledge(entry.acknowledgedThrough);
    session.lastNumber = entry.number;
    const { reply, notices } = this.#run(entry, session.id, context);
    session.replies.set(entry.number, reply);
    return { reply, duplicate: false, notices };
  }

  #upgrade(entry: Entry): AppliedEntry {
    const { from, to } = decodeUpgrade(entry.body);
    assert(sameVersions(from, this.machine.versions), "an upgrade begins with the versions that run");
    if (!canRun(this.machine.able, to)) throw cannotRun(this.machine.able, to, "the log goes on with");
    return { ...NOTHING, reply: this.machine.upgrade(to) ? MIGRATED : NOT_MIGRATED };
  }

  #run(entry: Entry, session: SessionId, context: EntryContext): { reply: Uint8Array; notices: readonly Notice[] } {
    return entry.kind === "skip" ? { reply: EMPTY, notices: [] } : this.machine.apply(entry.body, session, context);
  }
}

function ttlOf(entry: Entry): number {
  const ttl = decodeValue(entry.body);
  assert(typeof ttl === "number" && ttl > 0, "the body of an open is its TTL");
  return ttl;
}

export type { Session };
