/**
 * How the primary makes a member of a learner (design.md 4.2, admit). The order keeps the in-sync invariant: it stops
 * stamping, then the learner promises to hold the log through the last viewstamp, then the view is proposed.
 * @module
 */
import type { Leveled } from "../protocol/messages.ts";
import { type Identity, sameIdentity, sameViewstamp, type Viewstamp } from "../protocol/view.ts";
import type { Progress } from "./progress.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

/** The wait after an admission in vain doubles this often at most. */
const MAX_DOUBLINGS = 4;

interface Attempt {
  readonly learner: Progress;
  readonly through: Viewstamp;
  readonly startedAt: number;
  askedAt: number;
}

export class Admission {
  readonly #replica: ReplicatedLog;
  readonly #vid: number;
  #attempt: Attempt | undefined;

  constructor(replica: ReplicatedLog, vid: number) {
    this.#replica = replica;
    this.#vid = vid;
  }

  /** While a learner is being admitted nothing is stamped; once the accept has left, not before the next view. */
  get stopsStamping(): boolean {
    return this.#attempt !== undefined || this.#replica.config.admitLeft;
  }

  /** Whether this learner may be tried now: nearly level, and not just tried in vain. */
  isReady(learner: Progress, now: number): boolean {
    const { log, config, options } = this.#replica;
    return (
      this.#attempt === undefined &&
      learner.located &&
      learner.next > log.end &&
      learner.inFlightBytes <= options.maxInvokeBytes &&
      learner.isMoving(now, options.heartbeatMs) &&
      now >= learner.notBefore &&
      config.addresses.mayJoin(learner.who.id) === "yes" &&
      config.liveness.isLinked(learner.who.id)
    );
  }

  start(learner: Progress, now: number): void {
    const attempt = { learner, through: this.#replica.log.last, startedAt: now, askedAt: now };
    this.#attempt = attempt;
    this.#ask(attempt);
  }

  onLeveled(from: Identity, message: Leveled, now: number): void {
    const attempt = this.#attempt;
    if (attempt === undefined || !sameIdentity(from, attempt.learner.who)) return;
    if (message.vid !== this.#vid || !sameViewstamp(message.through, attempt.through)) return;
    this.#replica.config.admit({ ...attempt.learner.who, url: attempt.learner.url }, now);
  }

  tick(now: number): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const { heartbeatMs, suspectMs } = this.#replica.options;
    if (now - attempt.startedAt > suspectMs && this.#replica.config.cancelAdmit(now)) {
      attempt.learner.failedAdmissions++;
      attempt.learner.notBefore = now + suspectMs * 2 ** Math.min(attempt.learner.failedAdmissions, MAX_DOUBLINGS);
      this.#attempt = undefined;
      this.#replica.output.path("admitGivenUp");
    } else if (now - attempt.askedAt >= heartbeatMs) {
      attempt.askedAt = now;
      this.#ask(attempt);
    }
  }

  #ask({ learner, through }: Attempt): void {
    const { output, config } = this.#replica;
    output.send(learner.who.id, { type: "level", vid: this.#vid, through }, config.viewWrite);
  }
}
