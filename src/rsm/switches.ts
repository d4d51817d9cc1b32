/**
 * Where the machine versions change along a log: its `upgrade` entries.
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import type { MachineVersion } from "../protocol/machine.ts";
import { decodeUpgrade, type UpgradeBody } from "../protocol/upgrade-body.ts";

interface Switch extends UpgradeBody {
  readonly seqno: number;
}

export class Switches {
  /** In the order of their places; there are few. */
  #all: readonly Switch[] = [];

  constructor(entries: readonly Entry[]) {
    this.append(entries);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind === "upgrade") this.#all = [...this.#all, { seqno: entry.seqno, ...decodeUpgrade(entry.body) }];
    }
  }

  truncate(through: number): void {
    this.#all = this.#all.filter(({ seqno }) => seqno <= through);
  }

  /** The log begins after `base` now. */
  startAfter(base: number): void {
    this.#all = this.#all.filter(({ seqno }) => seqno > base);
  }

  /** The place of the first one after `seqno`. */
  firstAfter(seqno: number): number | undefined {
    return this.#all.find((one) => one.seqno > seqno)?.seqno;
  }

  /** Which versions the log has after `seqno`, where `running` is what runs after `applied`. */
  versionsAfter(seqno: number, applied: number, running: readonly MachineVersion[]): readonly MachineVersion[] {
    if (seqno < applied) {
      const next = this.#all.find((one) => one.seqno > seqno && one.seqno <= applied);
      return next?.from ?? running;
    }
    const before = this.#all.filter((one) => one.seqno > applied && one.seqno <= seqno);
    return before.at(-1)?.to ?? running;
  }
}
