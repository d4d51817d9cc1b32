/**
 * Where a log begins and which view stamped what, without its entries.
 * @module
 */
import { assert } from "../protocol/errors.ts";
import type { Run } from "../protocol/messages.ts";
import { ORIGIN, sameViewstamp, type Viewstamp } from "../protocol/view.ts";

export class LogShape {
  #base: Viewstamp = ORIGIN;
  #runs: Run[] = [];

  constructor(base: Viewstamp = ORIGIN, runs: readonly Run[] = []) {
    this.#base = base;
    this.#runs = [...runs];
  }

  get base(): Viewstamp {
    return this.#base;
  }

  get runs(): readonly Run[] {
    return this.#runs;
  }

  get end(): Viewstamp {
    const last = this.#runs.at(-1);
    return last === undefined ? this.#base : { vid: last.vid, seqno: last.lastSeqno };
  }

  contains(at: Viewstamp): boolean {
    if (at.seqno <= this.#base.seqno) return sameViewstamp(at, this.#base);
    return this.#runs[this.#runAt(at.seqno)]?.vid === at.vid;
  }

  append({ vid, seqno }: Viewstamp): void {
    const end = this.end;
    assert(
      seqno === end.seqno + 1 && vid >= end.vid,
      `entry ${vid}.${seqno} is appended after ${end.vid}.${end.seqno}`,
    );
    if (this.#runs.length > 0 && vid === end.vid) this.#runs.pop();
    this.#runs.push({ vid, lastSeqno: seqno });
  }

  truncate(seqno: number): void {
    assert(seqno >= this.#base.seqno, `the log is cut at ${seqno}, before its base ${this.#base.seqno}`);
    const index = this.#runAt(seqno);
    const run = this.#runs[index];
    if (run === undefined) return;
    const before = index === 0 ? this.#base.seqno : this.#runs[index - 1]!.lastSeqno;
    this.#runs.length = index;
    if (seqno > before) this.#runs.push({ vid: run.vid, lastSeqno: seqno });
  }

  /** Begins the log after `at`. Whether it contained that place: if not, all its entries are gone. */
  rebase(at: Viewstamp): boolean {
    assert(at.seqno >= this.#base.seqno, `the log's base goes back from ${this.#base.seqno} to ${at.seqno}`);
    const contained = this.contains(at);
    this.#runs = contained ? this.#runs.filter((run) => run.lastSeqno > at.seqno) : [];
    this.#base = at;
    return contained;
  }

  /** The index of the run that has this place. */
  #runAt(seqno: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#runs[middle]!.lastSeqno < seqno) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
