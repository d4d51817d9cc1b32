/**
 * How the primary of one view brings the cluster to newer machine versions: once the program of every member can run them
 * it asks each for a durable promise, and when it has all it may stamp the `upgrade` entry (ARCHITECTURE.md).
 * @module
 */
import type { MachineVersion } from "../protocol/machine.ts";
import { newestCommon, sameVersions } from "../protocol/machine-versions.ts";
import type { Readied } from "../protocol/messages.ts";
import type { NodeId } from "../protocol/view.ts";
import type { Progress } from "./progress.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

interface Attempt {
  readonly to: readonly MachineVersion[];
  /** The members, other than this node, whose promise is durable. */
  readonly readied: Set<NodeId>;
  /** The write of this node's own promise. */
  readonly ownWrite: number;
  askedAt: number;
}

export class Upgrade {
  readonly #replica: ReplicatedLog;
  readonly #vid: number;
  /** Everyone whom the view's primary speaks to. */
  readonly #progress: ReadonlyMap<NodeId, Progress>;
  #attempt: Attempt | undefined;

  constructor(replica: ReplicatedLog, vid: number, progress: ReadonlyMap<NodeId, Progress>) {
    this.#replica = replica;
    this.#vid = vid;
    this.#progress = progress;
  }

  onReadied(from: Progress, message: Readied): void {
    const attempt = this.#attempt;
    if (attempt !== undefined && sameVersions(attempt.to, message.versions)) attempt.readied.add(from.who.id);
  }

  /** The versions that may be stamped now: every member can run them, and has promised to. */
  get due(): readonly MachineVersion[] | undefined {
    const attempt = this.#attempt;
    if (attempt === undefined) return undefined;
    const to = this.#wanted();
    if (to === undefined || !sameVersions(attempt.to, to)) return undefined;
    if (this.#replica.durability.write < attempt.ownWrite) return undefined;
    return this.#members().every(({ who }) => attempt.readied.has(who.id)) ? to : undefined;
  }

  /** The entry is executed. */
  executed(): void {
    this.#attempt = undefined;
  }

  /** In an active view: asks for promises as long as one is missing. */
  tick(now: number): void {
    const to = this.#wanted();
    if (to === undefined) return;
    if (this.#attempt === undefined || !sameVersions(this.#attempt.to, to)) {
      const ownWrite = this.#replica.promise(to);
      this.#attempt = { to, readied: new Set(), ownWrite, askedAt: Number.NEGATIVE_INFINITY };
    }
    const attempt = this.#attempt;
    const { options, output, config } = this.#replica;
    if (now - attempt.askedAt < options.heartbeatMs) return;
    attempt.askedAt = now;
    for (const { who } of this.#members()) {
      if (attempt.readied.has(who.id)) continue;
      output.send(who.id, { type: "ready", vid: this.#vid, versions: to }, config.viewWrite);
    }
  }

  /** Newer versions than those of the log that every member is to run, as it has said on this connection. */
  #wanted(): readonly MachineVersion[] | undefined {
    const { willing, switches, applied, state } = this.#replica;
    // One at a time: an entry that is stamped and not executed may still be lost.
    if (switches.firstAfter(applied) !== undefined) return undefined;
    const programs = this.#members().map((member) => (member.located ? member.able : undefined));
    if (programs.includes(undefined)) return undefined;
    const to = newestCommon([willing, ...(programs as NonNullable<Progress["able"]>[])]);
    if (to === undefined || sameVersions(to, state.versions)) return undefined;
    return to;
  }

  #members(): Progress[] {
    return [...this.#progress.values()].filter(({ isLearner }) => !isLearner);
  }
}
