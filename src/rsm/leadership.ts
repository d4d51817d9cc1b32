/**
 * The primary's side of one view: it brings every backup's log to equal its own, activates the view, sends on what is
 * stamped, and commits what every member has durably (design.md 4.3 and 4.4). A view is led by one life only.
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import { canRun } from "../protocol/machine-versions.ts";
import type { Invoke, Invoked, Join, Leveled, Located, Readied, SnapshotWant } from "../protocol/messages.ts";
import { findById, type Identity, type NodeId, sameIdentity, sameViewstamp, type View } from "../protocol/view.ts";
import { Admission } from "./admission.ts";
import { Progress } from "./progress.ts";
import type { ReplicatedLog } from "./replicated-log.ts";
import { continueTransfer, resumeTransfer, startTransfer } from "./transfer.ts";
import { Upgrade } from "./upgrade.ts";

/** On its way to one learner: what brings it up to date must not delay what the members wait for. */
const LEARNER_WINDOW_BYTES = 512 * 1024;

/** In `suspectMs`: so long a snapshot is kept for a learner whose transfer does not get on. */
const KEPT_FOR = 10;

export class Leadership {
  readonly view: View;
  /** Where the log ended when the view began. */
  readonly start: number;
  readonly admission: Admission;
  readonly upgrade: Upgrade;
  readonly #replica: ReplicatedLog;
  readonly #progress: Map<NodeId, Progress> = new Map();
  /** Every member has durably the log through the view's start: it is committed, and the view active once it is executed. */
  #isLevel = false;
  #active = false;
  /** Since when something stamped waits to be committed, without progress. */
  #waitingSince: number | undefined;
  readonly #acceptorBeatAt: Map<NodeId, number> = new Map();

  constructor(replica: ReplicatedLog, view: View, now: number) {
    this.#replica = replica;
    this.view = view;
    this.start = replica.log.end;
    this.#waitingSince = now;
    this.admission = new Admission(replica, view.vid);
    this.upgrade = new Upgrade(replica, view.vid, this.#progress);
    for (const member of view.members) {
      if (sameIdentity(member, replica.config.self)) continue;
      const progress = new Progress(member, false);
      if (!replica.config.liveness.isLinked(member.id)) progress.unlinkedSince = now;
      this.#progress.set(member.id, progress);
    }
  }

  get isActive(): boolean {
    return this.#active;
  }

  /** Nothing could be committed for `suspectMs`, though something waits. */
  isStalled(now: number): boolean {
    return this.#waitingSince !== undefined && now - this.#waitingSince > this.#replica.options.suspectMs;
  }

  /**
   * Whether a learner is receiving a snapshot, or will go on once its broken connection is back: taking a new one would make
   * it begin again. Not for ever: the log grows meanwhile.
   */
  isTransferring(now: number): boolean {
    const patience = KEPT_FOR * this.#replica.options.suspectMs;
    for (const { transfer } of this.#progress.values()) {
      if (transfer !== undefined && now - transfer.furthestAt <= patience) return true;
    }
    return false;
  }

  progressOf(who: Identity): Progress | undefined {
    const progress = this.#progress.get(who.id);
    return progress !== undefined && sameIdentity(progress.who, who) ? progress : undefined;
  }

  begin(now: number): void {
    for (const progress of this.#progress.values()) this.#heartbeat(progress, now);
    for (const progress of this.#progress.values()) this.#locate(progress, now);
  }

  linkUp(peer: Identity, now: number): void {
    const progress = this.progressOf(peer);
    if (progress === undefined) return;
    progress.lose();
    progress.unlinkedSince = undefined;
    this.#locate(progress, now);
  }

  linkDown(id: NodeId, now: number): void {
    const progress = this.#progress.get(id);
    if (progress === undefined) return;
    progress.lose();
    progress.unlinkedSince ??= now;
  }

  onJoin(from: Identity, message: Join, now: number): void {
    const { config, output } = this.#replica;
    const answer = config.addresses.mayJoin(from.id);
    if (answer !== "yes") {
      const refusal = { type: "joinRefused", vid: this.view.vid, reason: answer, running: [] } as const;
      output.send(from.id, refusal, config.viewWrite);
      return;
    }
    // Another incarnation of a member proves that member dead; it is removed before this one is admitted.
    if (findById(this.view.members, from.id) !== undefined) return;
    let progress = this.progressOf(from);
    if (progress === undefined) {
      progress = new Progress(from, true);
      this.#progress.set(from.id, progress);
      output.path("learnerJoined");
    }
    progress.url = message.url;
    // A learner says join all the while: what is on its way to it need not be sent again.
    this.#maybeLocate(progress, now);
  }

  onLocated(from: Identity, message: Located, now: number): void {
    const progress = this.progressOf(from);
    if (progress === undefined || !progress.answered()) return;
    const { log } = this.#replica;
    progress.able = message.able;
    if (!this.#canFollow(progress, log.end)) return this.#refuseOld(progress, log.end);
    const common = log.lastCommon(message.base, message.runs);
    const isInLog = common !== undefined && common.seqno >= log.base.seqno;
    if (isInLog && this.#canFollow(progress, common.seqno)) progress.locate(common.seqno + 1);
    // Entries of versions that its program has not are not for it: it waits for a snapshot that is beyond them.
    else if (!this.#canFollow(progress, this.#replica.snapshot?.at.seqno ?? 0)) progress.located = false;
    else if (progress.isLearner && message.snapshot !== undefined)
      resumeTransfer(this.#replica, this.view, progress, message.snapshot, now);
    else startTransfer(this.#replica, this.view, progress, now);
  }

  /** Whether a learner's program can go on from this place; a member's can, it is held to that by its promise. */
  #canFollow({ isLearner, able }: Progress, seqno: number): boolean {
    return !isLearner || (able !== undefined && canRun(able, this.#replica.versionsAfter(seqno)));
  }

  #refuseOld({ who }: Progress, seqno: number): undefined {
    const { output, config } = this.#replica;
    this.#progress.delete(who.id);
    output.path("oldNodeRefused");
    const running = this.#replica.versionsAfter(seqno);
    output.send(who.id, { type: "joinRefused", vid: this.view.vid, reason: "version", running }, config.viewWrite);
  }

  onReadied(from: Identity, message: Readied): void {
    const progress = this.progressOf(from);
    if (progress !== undefined) this.upgrade.onReadied(progress, message);
  }

  onInvoked(from: Identity, message: Invoked, now: number): void {
    const progress = this.progressOf(from);
    if (progress === undefined || message.seqno > this.#replica.log.end) return;
    progress.acknowledge(message.seqno, now);
    if (progress.waitingSince === undefined) this.#replica.config.suspicions.markFit(from.id);
  }

  onLeveled(from: Identity, message: Leveled, now: number): void {
    this.admission.onLeveled(from, message, now);
  }

  onSnapshotWant(from: Identity, message: SnapshotWant, now: number): void {
    const progress = this.progressOf(from);
    if (progress === undefined || !progress.isLearner) return;
    continueTransfer(this.#replica, this.view, progress, message, now);
  }

  onChunkRead(to: NodeId, at: SnapshotWant["at"], index: number, bytes: Uint8Array | undefined, now: number): void {
    const progress = this.#progress.get(to);
    if (progress?.transfer === undefined || !sameViewstamp(progress.transfer.at, at)) return;
    if (bytes === undefined) {
      startTransfer(this.#replica, this.view, progress, now);
      return;
    }
    const { output, config } = this.#replica;
    output.send(to, { type: "snapshotChunk", vid: this.view.vid, at, index, bytes }, config.viewWrite);
  }

  /** A request was stamped: it is in the log, and leaves at the end of the turn. */
  stamped(entry: Entry, now: number): void {
    this.#replica.stamp(entry);
    this.#waitingSince ??= now;
    if (entry.kind !== "upgrade") return;
    // Learners that cannot go on are sent nothing of it.
    for (const progress of [...this.#progress.values()]) {
      if (progress.able !== undefined && !this.#canFollow(progress, entry.seqno))
        this.#refuseOld(progress, entry.seqno);
    }
  }

  /** Whether `flush` would do something. */
  get awaitsTurn(): boolean {
    if (this.#replica.hasStamped) return true;
    const { end } = this.#replica.log;
    for (const { located, owed, next } of this.#progress.values()) if (located && (owed || next <= end)) return true;
    return false;
  }

  /** The end of a turn: one write for what was stamped, and one invoke to each that can take it. */
  flush(now: number): void {
    this.#replica.persistStamped();
    for (const progress of this.#progress.values()) this.#pump(progress, now);
  }

  /** Commits what all members have durably. */
  advanceCommit(now: number): void {
    const { durability, config, commit } = this.#replica;
    if (config.lacksCopies || durability.write < config.viewWrite) return;
    let through = durability.seqno;
    for (const progress of this.#progress.values()) {
      if (!progress.isLearner) through = Math.min(through, progress.acked);
    }
    if (through < this.start || (this.#isLevel && through <= commit)) return;
    this.#isLevel = true;
    this.#replica.commitThrough(through);
    this.#waitingSince = through < this.#replica.log.end ? now : undefined;
  }

  /** Once what the view began with is committed and executed; `true` if that is now. */
  activate(now: number): boolean {
    if (this.#active || !this.#isLevel || this.#replica.applied < this.start) return false;
    this.#active = true;
    for (const progress of this.#progress.values()) this.#heartbeat(progress, now);
    return true;
  }

  tick(now: number, impaired: boolean): void {
    this.#dropSilentLearners(now);
    this.#watchBackups(now);
    for (const progress of this.#progress.values()) {
      const due = now - progress.heartbeatAt >= this.#replica.options.heartbeatMs;
      if (due || progress.commitSent < this.#replica.commit) this.#heartbeat(progress, now, impaired);
      if (due) this.#askAgain(progress, now);
    }
    this.#heartbeatIdleAcceptors(now, impaired);
    this.admission.tick(now);
    this.#maybeAdmit(now);
    if (this.#active) this.upgrade.tick(now);
  }

  #pump(progress: Progress, now: number): void {
    const { log, options, output, config, commit } = this.#replica;
    const window = Math.min(
      options.maxInFlightBytes,
      progress.isLearner ? LEARNER_WINDOW_BYTES : Number.POSITIVE_INFINITY,
    );
    while (progress.located && (progress.owed || progress.next <= log.end)) {
      if (progress.inFlightBytes >= window) return;
      if (progress.next <= log.base.seqno) {
        // What it needs has been compacted away meanwhile.
        startTransfer(this.#replica, this.view, progress, now);
        return;
      }
      const entries = log.slice(progress.next, options.maxInvokeBytes);
      const previous = log.viewstampAt(progress.next - 1);
      const invoke: Invoke = { type: "invoke", vid: this.view.vid, start: this.start, commit, previous, entries };
      output.send(progress.who.id, invoke, config.viewWrite);
      progress.commitSent = commit;
      const bytes = entries.reduce((sum, entry) => sum + entry.bytes.length, 0);
      progress.sent(entries.at(-1)?.seqno ?? previous.seqno, bytes, now);
    }
  }

  #locate(progress: Progress, now: number): void {
    const { output, config } = this.#replica;
    if (!progress.isLearner) progress.waitingSince ??= now;
    progress.asked(now, this.#replica.options.heartbeatMs);
    output.send(progress.who.id, { type: "locate", vid: this.view.vid }, config.viewWrite);
  }

  #maybeLocate(progress: Progress, now: number): void {
    if (progress.located || now < progress.askAgainAt || this.#receives(progress, now)) return;
    this.#locate(progress, now);
  }

  /** A network may lose what it carried: whoever does not move on is asked where it is. */
  #askAgain(progress: Progress, now: number): void {
    const { waitingSince } = progress;
    const patience = 2 * this.#replica.options.heartbeatMs;
    if (
      progress.located &&
      waitingSince !== undefined &&
      now - Math.max(waitingSince, progress.relocatedAt) > patience
    ) {
      this.#replica.output.path("relocated");
      progress.relocate(now);
    }
    this.#maybeLocate(progress, now);
  }

  /** Whether a snapshot is on its way to it and gets on. */
  #receives({ transfer }: Progress, now: number): boolean {
    return transfer !== undefined && now - transfer.progressAt <= 2 * this.#replica.options.suspectMs;
  }

  #heartbeat(progress: Progress, now: number, impaired = false): void {
    progress.heartbeatAt = now;
    progress.commitSent = this.#replica.commit;
    this.#sendHeartbeat(progress.who.id, impaired);
  }

  #sendHeartbeat(to: NodeId, impaired: boolean): void {
    const { output, config, state, commit } = this.#replica;
    const { vid } = this.view;
    const { applied, hash } = state;
    output.send(
      to,
      {
        type: "heartbeat",
        vid,
        start: this.start,
        commit,
        applied: applied.seqno,
        hash,
        active: this.#active,
        impaired,
      },
      config.viewWrite,
    );
  }

  /** Acceptors that are neither members nor learners hear the primary too. */
  #heartbeatIdleAcceptors(now: number, impaired: boolean): void {
    for (const { id } of this.view.acceptors) {
      if (id === this.#replica.config.self.id || this.#progress.has(id)) continue;
      const last = this.#acceptorBeatAt.get(id) ?? Number.NEGATIVE_INFINITY;
      if (now - last < this.#replica.options.heartbeatMs) continue;
      this.#acceptorBeatAt.set(id, now);
      this.#sendHeartbeat(id, impaired);
    }
  }

  /** A backup that answers but does not log, or that nothing reaches, is suspected too. */
  #watchBackups(now: number): void {
    const { config, options } = this.#replica;
    for (const progress of this.#progress.values()) {
      if (progress.isLearner) continue;
      const isLinked = config.liveness.isLinked(progress.who.id);
      const since = isLinked ? progress.waitingSince : progress.unlinkedSince;
      const isLate = since !== undefined && now - since > options.suspectMs;
      // A new connection gives it time anew, but not without end.
      const isStuck = progress.owesSince !== undefined && now - progress.owesSince > 2 * options.suspectMs;
      if (!isLate && !isStuck) continue;
      const what = isLinked || isStuck ? "does not log" : "cannot be reached";
      config.suspicions.markUnfit(progress.who.id, `${what} for ${options.suspectMs} ms`, false);
    }
  }

  #dropSilentLearners(now: number): void {
    const { config, options } = this.#replica;
    for (const [id, progress] of this.#progress) {
      if (!progress.isLearner || config.liveness.silence(progress.who, now) < 20 * options.suspectMs) continue;
      this.#progress.delete(id);
    }
  }

  /** Admits one learner at a time: in a healthy active view, or where only one more copy can make a view active. */
  #maybeAdmit(now: number): void {
    const { config } = this.#replica;
    if (this.admission.stopsStamping || config.campaign !== undefined) return;
    const suspected = this.view.members.some((member) => config.suspicions.reason(member, now) !== undefined);
    if (!this.#active && !config.lacksCopies && !suspected) return;
    if (this.#active && suspected && config.suspicions.canShrink(now)) return;
    for (const progress of this.#progress.values()) {
      if (!progress.isLearner || !this.admission.isReady(progress, now)) continue;
      this.admission.start(progress, now);
      return;
    }
  }
}
