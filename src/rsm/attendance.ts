/**
 * How a node comes into the view and leaves it on purpose: it asks to join while it is no member, and before a graceful
 * stop it sees to it that the others go on without it.
 * @module
 */
import { cannotRun } from "../protocol/machine-versions.ts";
import type { JoinRefused } from "../protocol/messages.ts";
import type { Identity } from "../protocol/view.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

export class Attendance {
  readonly #replica: ReplicatedLog;
  #joinAt = 0;
  #joinsInVain = 0;
  #stoppingSince: number | undefined;
  #leavingSentAt = Number.NEGATIVE_INFINITY;
  /** Why an operator must act, as it was said last. */
  #saidWhy: JoinRefused["reason"] | undefined;

  constructor(replica: ReplicatedLog) {
    this.#replica = replica;
  }

  joinSoon(now: number): void {
    this.#joinAt = now;
    this.#joinsInVain = 0;
  }

  /** An operator must act first: ask rarely. */
  joinRefused(by: Identity, { reason, running }: JoinRefused, now: number): void {
    const { config, output, able, options } = this.#replica;
    this.#joinAt = now + 10 * options.suspectMs;
    if (config.isMember()) return;
    if (reason !== "version") return this.#sayWhy(by, reason);
    output.happened({
      event: "tooOld",
      running,
      text: cannotRun(able, running, `refused by node "${by.id}": the cluster runs`).message,
    });
  }

  #sayWhy(by: Identity, reason: "barred" | "unknown"): void {
    const { config, output } = this.#replica;
    if (this.#saidWhy === reason) return;
    this.#saidWhy = reason;
    const { id, url } = config.self;
    const why =
      reason === "barred"
        ? `an operator has removed this node; "viewstamp members lift ${id}" lets it join again`
        : `it is not in the cluster list there, nor added: correct the list or the name, or "viewstamp members add ${id} ${url}"`;
    output.happened({ event: "warning", text: `not admitted by node "${by.id}": ${why}` });
  }

  stop(now: number): void {
    this.#stoppingSince ??= now;
    this.#tryToLeave(now);
  }

  tick(now: number): void {
    this.#maybeJoin(now);
    this.#tryToLeave(now);
  }

  /** A node that is no member asks the primary to be caught up and admitted, again and again. */
  #maybeJoin(now: number): void {
    const { config, output, options } = this.#replica;
    const { view } = config;
    if (view === undefined || config.isMember() || this.#stoppingSince !== undefined || now < this.#joinAt) return;
    if (!config.liveness.isLinked(view.primary)) return;
    this.#joinAt = now + options.suspectMs * 2 ** Math.min(this.#joinsInVain, 3);
    this.#joinsInVain++;
    output.happened({ event: "joining", vid: view.vid });
    output.send(view.primary, { type: "join", vid: view.vid, url: config.self.url }, config.viewWrite);
  }

  /** The primary hands over, a backup asks to be left out, anyone else just stops. */
  #tryToLeave(now: number): void {
    const { config, output, options, durability } = this.#replica;
    const since = this.#stoppingSince;
    if (since === undefined) return;
    const hasLeft = !config.isMember() && durability.write >= config.viewWrite;
    const { view } = config;
    if (view === undefined || hasLeft || !config.suspicions.canSpareSelf(now) || now - since > options.suspectMs) {
      output.push({ type: "stopped" });
      return;
    }
    if (now - this.#leavingSentAt < options.heartbeatMs) return;
    this.#leavingSentAt = now;
    if (config.isPrimary()) config.handOver(now);
    else output.send(view.primary, { type: "leaving", vid: view.vid }, config.viewWrite);
  }
}
