/**
 * This node's log, how much of it is durable and committed, the state executed from it, and the snapshots that let it
 * be cut short.
 * @module
 */
import type { Config } from "../config/config.ts";
import type { Entry } from "../protocol/entry.ts";
import { assert, ViewstampError } from "../protocol/errors.ts";
import type { MachineAbility, MachineVersion } from "../protocol/machine.ts";
import { sameVersions } from "../protocol/machine-versions.ts";
import type { Heartbeat } from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import type { DurableState, SnapshotInfo } from "../protocol/storage.ts";
import { decodeUpgrade } from "../protocol/upgrade-body.ts";
import { ORIGIN, type Viewstamp } from "../protocol/view.ts";
import { Durability } from "./durability.ts";
import { HashTrail } from "./hash-trail.ts";
import { Log } from "./log.ts";
import type { Output } from "./output.ts";
import { Slice } from "./slice.ts";
import type { AppliedEntry, ReplicatedState } from "./state.ts";
import { Switches } from "./switches.ts";

export interface ReplicatedLogSetup {
  readonly options: CoreOptions;
  readonly config: Config;
  readonly output: Output;
  readonly durable: DurableState;
  /** Those of the durable entries that change machine versions, if somebody has looked: there may be very many entries. */
  readonly upgrades?: readonly Entry[];
  /** Restored from the newest snapshot, if there is one. */
  readonly state: ReplicatedState;
  /**
   * One step executes so many entries at most, so that a long log is no long pause: few, for the hands know the time and may
   * ask for more within the turn.
   */
  readonly sliceEntries: number;
  /** What restoring the newest snapshot has cost at the start. */
  readonly restorePauseMs?: number;
}

/** About what a record that is no entry takes on the disk: a view of three members with their addresses. */
const BESIDES_BYTES = 256;

export class ReplicatedLog {
  readonly options: CoreOptions;
  readonly config: Config;
  readonly output: Output;
  readonly log: Log;
  readonly durability: Durability;
  readonly state: ReplicatedState;
  readonly switches: Switches;
  readonly #hashes: HashTrail = new HashTrail();
  #snapshot: SnapshotInfo | undefined;
  readonly #sliceEntries: number;
  #commit: number;
  /** `continue` has been asked for and not come yet. */
  #continues = false;
  /** Encoded size of what has been executed since the newest snapshot. */
  #sinceSnapshot = 0;
  /** `output.besides` when the log was last compacted, or an attempt at it was begun. */
  #besidesBefore = 0;
  /** What that was when the snapshot that is being taken was begun. */
  #sinceSaving = 0;
  #isSaving = false;
  #snapshotPauseMs = 0;
  #restorePauseMs: number;
  /** The log through this place has been given to the disk, durable or not. */
  #handedThrough: number;
  /** The empty state is that of the versions in which the cluster began. */
  #hasBegun = false;
  #promised: readonly MachineVersion[];
  /** The write that made the promise durable. */
  #promiseWrite = 0;
  /** The last upgrade executed: the snapshot that it calls for lets newer programs do without older versions. */
  #upgradedAt = 0;
  #hasFailedToMigrate = false;

  constructor(setup: ReplicatedLogSetup) {
    const { options, config, output, durable, upgrades, state, sliceEntries, restorePauseMs = 0 } = setup;
    this.options = options;
    this.config = config;
    this.output = output;
    this.state = state;
    this.log = new Log(durable.base, durable.entries);
    this.durability = new Durability(this.log.end);
    this.switches = new Switches(upgrades ?? durable.entries);
    this.#promised = durable.machines?.promised ?? [];
    this.#snapshot = durable.snapshot;
    this.#sliceEntries = sliceEntries;
    this.#restorePauseMs = restorePauseMs;
    this.#commit = state.applied.seqno;
    this.#handedThrough = this.log.end;
    this.#hasBegun = durable.snapshot !== undefined;
    if (durable.view !== undefined) this.begin();
  }

  /** A view is known: if it is the first, genesis has said in which versions the cluster's log begins. */
  begin(): void {
    const { origin } = this.config;
    if (this.#hasBegun || origin === undefined) return;
    this.#hasBegun = true;
    this.state.begin(origin);
  }

  /** What this program can run. */
  get able(): readonly MachineAbility[] {
    return this.state.machine.able;
  }

  /**
   * What this node is to run: nothing newer, once a migration has failed in this process. It would fail again, and where
   * others have a mended program already it must not be tried with them: these would differ.
   */
  get willing(): readonly MachineAbility[] {
    if (!this.#hasFailedToMigrate) return this.able;
    const { versions: running } = this.state;
    return this.able.map(({ name, versions }) => {
      const newest = running.find((one) => one.name === name)?.version ?? 0;
      return { name, versions: versions.filter((version) => version <= newest) };
    });
  }

  /** The versions that the log has after this place. */
  versionsAfter(seqno: number): readonly MachineVersion[] {
    return this.switches.versionsAfter(seqno, this.applied, this.state.versions);
  }

  /**
   * Promises that no program which cannot run these versions ever starts on this data; gives the write that makes the
   * promise durable. It never promises less than before.
   */
  promise(versions: readonly MachineVersion[]): number {
    const promised = versions.map(({ name, version }) => {
      const before = this.#promised.find((one) => one.name === name)?.version ?? 0;
      return { name, version: Math.max(version, before) };
    });
    if (sameVersions(promised, this.#promised)) return this.#promiseWrite;
    this.#promised = promised;
    this.#promiseWrite = this.output.persist({ kind: "machines", origin: this.config.origin ?? [], promised });
    return this.#promiseWrite;
  }

  /** Known to be committed through this place, executed or not. */
  get commit(): number {
    return this.#commit;
  }

  /** Executed through this place; never beyond `commit`. */
  get applied(): number {
    return this.state.applied.seqno;
  }

  get snapshot(): SnapshotInfo | undefined {
    return this.#snapshot;
  }

  /** The longest pause that taking a snapshot has cost. */
  get snapshotPauseMs(): number {
    return this.#snapshotPauseMs;
  }

  /** The longest pause that restoring from one has cost, at the start or as a learner. */
  get restorePauseMs(): number {
    return this.#restorePauseMs;
  }

  /** What restoring a part of a snapshot took. */
  restored(ms: number): void {
    this.#restorePauseMs = Math.max(this.#restorePauseMs, ms);
  }

  /** The primary's next entry: in the log at once, given to the disk with all others of its turn. */
  stamp(entry: Entry): void {
    this.log.append([entry]);
    this.switches.append([entry]);
  }

  /** Whether something was stamped that the disk has not been given. */
  get hasStamped(): boolean {
    return this.log.end > this.#handedThrough;
  }

  /**
   * Gives the disk what was stamped since the last time: at the end of a turn, and before a newer view is entered, for
   * whatever is in the log then is part of that view's start.
   */
  persistStamped(): void {
    if (!this.hasStamped) return;
    this.#persist(this.log.slice(this.#handedThrough + 1, Number.POSITIVE_INFINITY));
  }

  /** A backup's or learner's next entries. */
  append(entries: readonly Entry[]): void {
    this.log.append(entries);
    this.switches.append(entries);
    this.#persist(entries);
  }

  /** @throws {ViewstampError} `Diverged` if what is dropped is known to be committed */
  truncate(seqno: number): void {
    if (seqno < this.commit) {
      const text = `entries through ${this.commit} are committed here, but the primary's log differs after ${seqno}`;
      throw new ViewstampError("Diverged", text);
    }
    this.log.truncate(seqno);
    this.switches.truncate(seqno);
    this.#handedThrough = Math.min(this.#handedThrough, seqno);
    this.durability.truncated(this.output.persist({ kind: "truncate", seqno }), seqno);
  }

  commitThrough(seqno: number): void {
    assert(seqno <= this.log.end, "only what is in the log is committed");
    this.#commit = Math.max(this.#commit, seqno);
  }

  /** Executes the next slice of what is committed; asks to go on if that is not all. */
  execute(each: ((entry: Entry, applied: AppliedEntry) => void) | undefined): void {
    const slice = this.newSlice();
    while (!slice.isFull && this.applied < this.#commit) {
      const entry = this.log.entry(this.applied + 1);
      const applied = this.state.apply(entry);
      slice.add(entry.bytes.length);
      this.#sinceSnapshot += entry.bytes.length;
      this.#hashes.note(entry.seqno, this.state.hash);
      if (entry.kind === "upgrade") this.#upgraded(entry);
      each?.(entry, applied);
    }
    if (this.applied < this.#commit) this.goOn();
  }

  /** What one step may do. */
  newSlice(): Slice {
    return new Slice(this.#sliceEntries);
  }

  /** There is more to do than belongs in one step: `continue` will come. */
  goOn(): void {
    if (this.#continues) return;
    this.#continues = true;
    this.output.push({ type: "continue" });
  }

  /** The hands have time for the next slice. */
  continued(): void {
    this.#continues = false;
  }

  #upgraded({ seqno, body }: Entry): void {
    this.#upgradedAt = seqno;
    this.#hasFailedToMigrate = !sameVersions(decodeUpgrade(body).to, this.state.versions);
    this.output.happened({ event: "upgraded", machines: this.state.versions });
    this.output.path("machineUpgraded");
  }

  /** Receiving a snapshot ends any of its own that is being taken. */
  beginReception(at: Viewstamp): void {
    this.#isSaving = false;
    this.output.push({ type: "receiveSnapshot", at });
  }

  /** The received snapshot is durable and the state restored from it: the log goes on from there. */
  installed(snapshot: SnapshotInfo): void {
    const { at } = snapshot;
    this.#snapshot = snapshot;
    this.durability.restarted(at.seqno, this.log.contains(at));
    this.log.startAfter(at);
    this.#commit = Math.max(this.#commit, at.seqno);
    this.switches.startAfter(at.seqno);
    this.switches.truncate(this.log.end);
    this.#sinceSnapshot = 0;
    this.#handedThrough = this.log.end;
    this.#hashes.note(at.seqno, this.state.hash);
    this.output.persist({ kind: "base", at });
  }

  /** @throws {ViewstampError} `Diverged` */
  compareHashes({ applied, hash }: Heartbeat): void {
    if (!this.#hashes.compare(applied, hash)) return;
    const text = `this replica's state differs from its primary's at place ${applied}: a machine is not deterministic`;
    throw new ViewstampError("Diverged", text);
  }

  maybeSaveSnapshot(): void {
    if (this.#isSaving) return;
    const { at } = this.#snapshot ?? { at: ORIGIN };
    const grown = Math.max(this.#sinceSnapshot, (this.output.besides - this.#besidesBefore) * BESIDES_BYTES);
    if (grown < this.options.snapshotEveryBytes && this.#upgradedAt <= at.seqno) return;
    this.#besidesBefore = this.output.besides;
    // Nothing to save: then it is views that the log is full of, and they are among the entries that it keeps.
    if (this.applied === at.seqno) return this.#compact(at);
    this.#isSaving = true;
    this.#sinceSaving = this.#sinceSnapshot;
    this.output.push({ type: "saveSnapshot", at: this.state.applied, chunks: this.state.snapshot() });
  }

  /** The log keeps what came since the snapshot before: a node that was away shortly needs no snapshot. */
  snapshotSaved(snapshot: SnapshotInfo, pauseMs: number): void {
    this.#isSaving = false;
    this.#snapshotPauseMs = Math.max(this.#snapshotPauseMs, pauseMs);
    const before: Viewstamp = this.#snapshot?.at ?? ORIGIN;
    if (snapshot.at.seqno <= before.seqno) return;
    this.#snapshot = snapshot;
    this.#sinceSnapshot -= this.#sinceSaving;
    this.#compact(before);
  }

  /** Lets the log begin after a place that a snapshot covers. */
  #compact(at: Viewstamp): void {
    if (at.seqno <= this.log.base.seqno) return;
    this.log.startAfter(at);
    this.switches.startAfter(at.seqno);
    this.output.persist({ kind: "base", at });
    this.output.path("logCompacted");
  }

  #persist(entries: readonly Entry[]): void {
    this.#handedThrough = this.log.end;
    this.durability.appended(this.output.persist({ kind: "append", entries }), this.log.end);
  }
}
