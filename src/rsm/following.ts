/**
 * The side of a backup or learner in one view: its log is made equal to the primary's (design.md 4.3 and 4.4).
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import { cannotRun, canRun } from "../protocol/machine-versions.ts";
import type { Heartbeat, Invoke, Level, Located, Ready, SnapshotChunk, SnapshotOffer } from "../protocol/messages.ts";
import { decodeUpgrade } from "../protocol/upgrade-body.ts";
import { primaryOf, type View, type Viewstamp } from "../protocol/view.ts";
import type { Reception } from "./reception.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

export class Following {
  readonly view: View;
  readonly #replica: ReplicatedLog;
  readonly #reception: Reception;
  /** The last place compared equal with this primary's log. */
  #matched = 0;
  /** Where the primary's log ended when the view began; unknown until it speaks. */
  #start: number | undefined;
  #acked = 0;
  #ackDue = false;
  #levelAsked: Viewstamp | undefined;
  #activeKnown = false;
  /** The last invoke did not fit this log, and the primary was told. */
  #isLost = false;

  constructor(replica: ReplicatedLog, view: View, reception: Reception) {
    this.#replica = replica;
    this.view = view;
    this.#reception = reception;
  }

  /** Whether this node knows that the view is active and its own log is level with the view's start. */
  get isLevel(): boolean {
    return this.#activeKnown && this.#start !== undefined && this.#matched >= this.#start;
  }

  /** Whether the primary is known to have activated the view. */
  get activeKnown(): boolean {
    return this.#activeKnown;
  }

  /** Tells the primary where this log is: asked, or unasked when the view begins. */
  sendLocated(): void {
    const { log } = this.#replica;
    const located: Located = {
      type: "located",
      vid: this.view.vid,
      base: log.base,
      runs: log.runs,
      snapshot: this.#reception.position,
      able: this.#replica.willing,
    };
    this.#toPrimary(located);
  }

  onInvoke(message: Invoke): void {
    if ((message.entries.at(-1)?.vid ?? 0) > this.view.vid || !this.#reception.yieldToLog()) return;
    this.#learnStart(message.start);
    const { log } = this.#replica;
    if (message.previous.seqno >= log.base.seqno && !log.contains(message.previous)) {
      this.#replica.output.path("previousMissing");
      // Whatever else is on its way misses it too: one answer is enough, the primary asks again if that is lost.
      if (!this.#isLost) this.sendLocated();
      this.#isLost = true;
      return;
    }
    this.#isLost = false;
    this.#appendMissing(message);
    const through = message.entries.at(-1)?.seqno ?? message.previous.seqno;
    this.#matched = Math.max(this.#matched, Math.min(through, log.end));
    this.#ackDue = true;
    this.#follow(message.commit);
    this.#answerLevel();
  }

  onHeartbeat(message: Heartbeat): void {
    this.#learnStart(message.start);
    if (message.active) this.#activeKnown = true;
    this.#follow(message.commit);
    this.#toPrimary({ type: "alive", vid: this.view.vid });
  }

  /** The learner's promise: nothing of this log is dropped until a newer view is known. */
  onLevel(message: Level): void {
    this.#levelAsked = message.through;
    this.#answerLevel();
  }

  /** The member's promise: durable before it is said. */
  onReady({ versions }: Ready): void {
    const { config, willing } = this.#replica;
    if (!config.isMember() || !canRun(willing, versions)) return;
    const after = Math.max(this.#replica.promise(versions), config.viewWrite);
    this.#replica.output.send(this.view.primary, { type: "readied", vid: this.view.vid, versions }, after);
  }

  onOffer(message: SnapshotOffer, now: number): void {
    const { log, config, output, commit } = this.#replica;
    if (message.at.seqno <= commit || log.contains(message.at)) {
      this.sendLocated();
    } else if (config.isMember()) {
      // A member holds everything committed; this one was offered what it must already have.
      output.push({ type: "setAside", reason: `entries through ${message.at.seqno} are missing from a member's log` });
    } else {
      this.#reception.onOffer(message, now);
    }
  }

  onChunk(message: SnapshotChunk, now: number): void {
    this.#reception.onChunk(message, now);
  }

  onChunkStored(at: Viewstamp, index: number, now: number): void {
    this.#reception.onStored(at, index, now);
  }

  /** The received snapshot is durable: it replaces state and log at once. */
  onInstalled(at: Viewstamp): void {
    const snapshot = this.#reception.finish(at);
    if (snapshot === undefined) return;
    this.#replica.installed(snapshot);
    this.#matched = 0;
    this.#acked = 0;
    this.sendLocated();
  }

  tick(now: number): void {
    this.#reception.tick(now);
  }

  /** After each event: a completed write may have made more of the log durable. */
  acknowledgeIfMoved(): void {
    if (Math.min(this.#matched, this.#replica.durability.seqno) > this.#acked) this.acknowledge();
  }

  /** Whether `acknowledge` may have something to say. */
  get awaitsTurn(): boolean {
    return this.#ackDue || Math.min(this.#matched, this.#replica.durability.seqno) > this.#acked;
  }

  /**
   * At the end of a turn: acknowledges what is durable and compared equal, also if nothing moved, lest the primary wait for an
   * answer that was lost. What is on its way to the disk is acknowledged when it is there.
   */
  acknowledge(): void {
    const { durability, config } = this.#replica;
    const seqno = Math.min(this.#matched, durability.seqno);
    const isAnswerDue = this.#ackDue && this.#matched <= durability.seqno;
    if (seqno <= this.#acked && !isAnswerDue) return;
    if (this.#isOverrun()) return;
    // Older entries beyond the view's start are dropped for good before anything is promised in this view.
    if (!durability.isTruncated || durability.write < config.viewWrite) return;
    this.#ackDue = false;
    this.#acked = seqno;
    this.#toPrimary({ type: "invoked", vid: this.view.vid, seqno });
  }

  #learnStart(start: number): void {
    this.#start = start;
    const { log } = this.#replica;
    if (log.end <= start || start < log.base.seqno) return;
    // Views never fall along a log: if the first place beyond the start is of this view, all beyond it are.
    const vid = log.vidAt(start + 1);
    if (vid !== undefined && vid < this.view.vid) {
      this.#replica.output.path("staleTailDropped");
      this.#replica.truncate(start);
    }
  }

  #appendMissing(message: Invoke): void {
    const { log, output } = this.#replica;
    const missing = message.entries.findIndex(
      (entry) => entry.seqno > log.base.seqno && log.vidAt(entry.seqno) !== entry.vid,
    );
    if (missing === -1) return;
    const entries = message.entries.slice(missing);
    this.#refuseUnknownVersions(entries);
    const first = entries[0]?.seqno ?? 0;
    if (first <= log.end) {
      output.path("conflictDropped");
      this.#replica.truncate(first - 1);
    }
    this.#replica.append(entries);
  }

  /**
   * It executes more slowly than the view commits, and holds its acknowledgements back until it has caught up. What the
   * view began with does not count: it has to be executed anyway, and waiting for that would only cost its membership.
   */
  #isOverrun(): boolean {
    const { commit, applied, options } = this.#replica;
    return commit - Math.max(applied, this.#start ?? 0) > options.maxPendingEntries;
  }

  /**
   * A log with an upgrade that this program cannot follow must not become its own: it would count as a copy. The primary
   * knows what programs can do and sends none such; this is the second lock on that door.
   */
  #refuseUnknownVersions(entries: readonly Entry[]): void {
    const { able } = this.#replica;
    for (const { kind, body } of entries) {
      if (kind !== "upgrade") continue;
      const { to } = decodeUpgrade(body);
      if (!canRun(able, to)) throw cannotRun(able, to, "the cluster's log goes on with");
    }
  }

  #follow(commit: number): void {
    this.#replica.commitThrough(Math.min(commit, this.#matched));
  }

  #answerLevel(): void {
    const through = this.#levelAsked;
    const { log, output, config } = this.#replica;
    if (through === undefined || config.isMember() || this.#matched < through.seqno || !log.contains(through)) return;
    this.#levelAsked = undefined;
    this.#reception.bindTo(through.seqno);
    const after = output.persist({ kind: "level", vid: this.view.vid, through });
    output.send(primaryOf(this.view).id, { type: "leveled", vid: this.view.vid, through }, after);
  }

  #toPrimary(message: Parameters<ReplicatedLog["output"]["send"]>[1]): void {
    const { output, config } = this.#replica;
    output.send(this.view.primary, message, config.viewWrite);
  }
}
