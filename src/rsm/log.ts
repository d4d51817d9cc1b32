/**
 * The operation log in memory: the entries after `base`, and their shape as runs of one view each.
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import { assert } from "../protocol/errors.ts";
import type { Run } from "../protocol/messages.ts";
import { sameViewstamp, type Viewstamp } from "../protocol/view.ts";

interface OpenRun {
  readonly vid: number;
  lastSeqno: number;
}

export class Log {
  #base: Viewstamp;
  #entries: Entry[];
  /** Ascending in both fields; covers the entries after `base`. */
  #runs: OpenRun[];

  /** There may be very many entries: they are not looked at one by one. */
  constructor(base: Viewstamp, entries: readonly Entry[]) {
    this.#base = base;
    this.#entries = entries.slice();
    this.#runs = runsOf(base, entries);
    const [first, last] = [entries[0]?.seqno ?? this.end + 1, entries.at(-1)?.seqno ?? this.end];
    assert(first === base.seqno + 1 && last === this.end, "a log's entries follow its base");
  }

  /** The place before the first entry held; a snapshot covers everything through it. */
  get base(): Viewstamp {
    return this.#base;
  }

  /** The place of the last entry. */
  get end(): number {
    return this.#base.seqno + this.#entries.length;
  }

  get last(): Viewstamp {
    const entry = this.#entries.at(-1);
    return entry === undefined ? this.#base : { vid: entry.vid, seqno: entry.seqno };
  }

  get runs(): readonly Run[] {
    return this.#runs.map(({ vid, lastSeqno }) => ({ vid, lastSeqno }));
  }

  /** The view in which the entry at this place was stamped; `undefined` where the log holds nothing. */
  vidAt(seqno: number): number | undefined {
    if (seqno === this.#base.seqno) return this.#base.vid;
    return this.#entries[seqno - this.#base.seqno - 1]?.vid;
  }

  viewstampAt(seqno: number): Viewstamp {
    const vid = this.vidAt(seqno);
    assert(vid !== undefined, `the log holds place ${seqno}`);
    return { vid, seqno };
  }

  contains(at: Viewstamp): boolean {
    return this.vidAt(at.seqno) === at.vid;
  }

  entry(seqno: number): Entry {
    const entry = this.#entries[seqno - this.#base.seqno - 1];
    assert(entry !== undefined, `the log holds entry ${seqno}`);
    return entry;
  }

  /** Entries from `seqno` on, at least one if there is one, up to about `maxBytes`. */
  slice(seqno: number, maxBytes: number): Entry[] {
    const taken: Entry[] = [];
    let bytes = 0;
    for (let index = seqno - this.#base.seqno - 1; index < this.#entries.length; index++) {
      const entry = this.#entries[index] as Entry;
      if (taken.length > 0 && bytes + entry.bytes.length > maxBytes) break;
      taken.push(entry);
      bytes += entry.bytes.length;
    }
    return taken;
  }

  append(entries: readonly Entry[]): void {
    let { end } = this;
    let run = this.#runs.at(-1);
    for (const entry of entries) {
      assert(entry.seqno === end + 1, "an entry follows the log's end");
      assert(run === undefined || run.vid <= entry.vid, "views never fall along a log");
      this.#entries.push(entry);
      end++;
      if (run?.vid === entry.vid) {
        run.lastSeqno = end;
      } else {
        run = { vid: entry.vid, lastSeqno: end };
        this.#runs.push(run);
      }
    }
  }

  /** Drops the entries beyond `seqno`. */
  truncate(seqno: number): void {
    assert(seqno >= this.#base.seqno, "what a snapshot covers is never dropped");
    while (this.end > seqno) this.#entries.pop();
    while ((this.#runs.at(-1)?.lastSeqno ?? 0) > seqno) {
      const run = this.#runs.pop() as Run;
      const before = this.#runs.at(-1)?.lastSeqno ?? this.#base.seqno;
      if (before < seqno) this.#runs.push({ vid: run.vid, lastSeqno: seqno });
    }
  }

  /** The log now begins after `at`: what is at or before it is dropped; all of it if it does not contain `at`. */
  startAfter(at: Viewstamp): void {
    const dropped = this.contains(at) ? at.seqno - this.#base.seqno : this.#entries.length;
    const keeps = dropped < this.#entries.length;
    this.#entries = this.#entries.slice(dropped);
    this.#runs = keeps ? this.#runs.filter((run) => run.lastSeqno > at.seqno) : [];
    this.#base = at;
  }

  /**
   * The last place where this log agrees with one of the given shape. Two logs that agree on one viewstamp agree on all
   * before it, and a view's primary stamps from one place only, so runs of the same view begin at the same place.
   */
  lastCommon(base: Viewstamp, runs: readonly Run[]): Viewstamp | undefined {
    for (let index = runs.length - 1; index >= 0; index--) {
      const run = runs[index] as Run;
      const first = (runs[index - 1]?.lastSeqno ?? base.seqno) + 1;
      const own = this.#runs.findLast((candidate) => candidate.vid === run.vid);
      const seqno = Math.min(run.lastSeqno, own?.lastSeqno ?? 0);
      if (seqno >= first && this.vidAt(seqno) === run.vid) return { vid: run.vid, seqno };
      if (this.#base.vid === run.vid && this.#base.seqno >= first && this.#base.seqno <= run.lastSeqno) {
        return this.#base;
      }
    }
    return this.contains(base) || sameViewstamp(base, this.#base) ? base : undefined;
  }
}

/** Views never fall along a log, so where one ends is found by halving. */
function runsOf(base: Viewstamp, entries: readonly Entry[]): OpenRun[] {
  const runs: OpenRun[] = [];
  for (let from = 0; from < entries.length; ) {
    const { vid } = entries[from] as Entry;
    let end = entries.length;
    for (let low = from + 1; low < end; ) {
      const middle = (low + end) >> 1;
      if ((entries[middle] as Entry).vid > vid) end = middle;
      else low = middle + 1;
    }
    runs.push({ vid, lastSeqno: base.seqno + end });
    from = end;
  }
  return runs;
}
