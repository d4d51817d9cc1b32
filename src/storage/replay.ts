/**
 * Reads the segments of a log, oldest first, into what they say. Whatever contradicts is damage: a head that does not
 * continue the segment before it, a record that cannot follow, a sealed segment that is the last.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { Done } from "../protocol/storage.ts";
import type { DiskReader, Got } from "./disk.ts";
import { Damage } from "./faults.ts";
import { type Inventory, segmentName } from "./names.ts";
import { readRecords } from "./records.ts";
import { Remembered } from "./remembered.ts";
import { type Block, scanTorn, scanWhole } from "./scan.ts";
import { encodeCheckpoint, readSegmentHead, type SegmentHead } from "./segment.ts";
import { errorOf, inTurn, type Step } from "./steps.ts";

export interface Replayed {
  readonly remembered: Remembered;
  readonly last: SegmentHead;
  /** The one before the last, if it is still there. */
  readonly before: SegmentHead | undefined;
  /** Where the last segment is to be cut: its size, unless its end is torn. */
  readonly end: number;
}

export class Replay {
  readonly #disk: DiskReader;
  readonly #inventory: Inventory;
  readonly #keepsEntries: boolean;
  readonly #heads: SegmentHead[] = [];
  #remembered: Remembered | undefined;
  #end = 0;

  constructor(disk: DiskReader, inventory: Inventory, keepsEntries: boolean) {
    this.#disk = disk;
    this.#keepsEntries = keepsEntries;
    this.#inventory = inventory;
  }

  /** What is known by now, whole or damaged: a hint to whom the data belonged. */
  get clusterId(): string | undefined {
    const known = [this.#remembered?.facts, ...this.#heads.map((head) => head.checkpoint.facts)];
    return known.map((facts) => facts?.identity?.clusterId).find((id) => id !== undefined);
  }

  /** What has been read: after damage, the log up to it. `undefined` if there is not even a beginning. */
  get remembered(): Remembered | undefined {
    return this.#remembered;
  }

  run(done: Got<Replayed>): void {
    const { segments } = this.#inventory;
    if (segments.length === 0) return done(new Damage("snapshots without a log"), undefined);
    const reads = segments.map(
      (number): Step =>
        (next) =>
          this.#readHead(number, next),
    );
    inTurn([...reads, (next) => this.#compareStrays(next)], (fault) => {
      // What stands before a damaged head can still be read, for a forced recovery.
      const isRead = fault === undefined || (fault instanceof Damage && this.#heads.length < segments.length);
      if (!isRead) return done(fault, undefined);
      const scans = this.#heads.map(
        (_, index): Step =>
          (next) =>
            this.#scan(index, next),
      );
      inTurn(scans, (failure) => {
        const error = failure instanceof Damage ? (fault ?? failure) : (failure ?? fault);
        if (error !== undefined) return done(error, undefined);
        const [last, before] = [this.#heads.at(-1)!, this.#heads.at(-2)];
        done(undefined, { remembered: this.#remembered!, last, before, end: this.#end });
      });
    });
  }

  #readHead(number: number, next: Done): void {
    readSegmentHead(this.#disk, number, this.#bytesOf(number), (error, head) => {
      if (head !== undefined) this.#heads.push(head);
      next(error);
    });
  }

  /**
   * Segments before a gap are needless, if what stands behind it goes on from them. The beginning of a log does not: it got
   * there by another way, and one of the two logs is older than the other.
   */
  #compareStrays(next: Done): void {
    const [first] = this.#heads;
    const [stray] = this.#inventory.strays;
    const isBeginning = stray !== undefined && first!.checkpoint.previousBytes === 0;
    next(isBeginning ? new Damage(`${first!.name} begins a log, beside ${segmentName(stray)}`) : undefined);
  }

  #scan(index: number, next: Done): void {
    const head = this.#heads[index]!;
    const follower = this.#heads[index + 1];
    this.#remembered ??= new Remembered(head.checkpoint);
    const remembered = this.#remembered;
    if (index === 0 && !this.#keepsEntries) remembered.forgetEntries();
    const fault = index === 0 ? undefined : continues(head, remembered);
    if (fault !== undefined) return next(fault);
    const take = (block: Block): void => replay(head, block, remembered);
    if (follower === undefined) {
      const range = { ...head, limit: this.#bytesOf(head.number) };
      scanTorn(this.#disk, range, take, (error, end) => {
        this.#end = end ?? 0;
        next(error);
      });
    } else {
      scanWhole(this.#disk, { ...head, limit: follower.checkpoint.previousBytes }, take, (error) => {
        remembered.closeSegment(head.number);
        next(error);
      });
    }
  }

  #bytesOf(number: number): number {
    return this.#inventory.bytesOf.get(segmentName(number)) ?? 0;
  }
}

/** The head of a segment says what the segments before it say. */
function continues({ name, checkpoint }: SegmentHead, remembered: Remembered): Damage | undefined {
  const said = encodeCheckpoint(checkpoint);
  const expected = encodeCheckpoint(remembered.checkpoint(checkpoint.number, checkpoint.previousBytes));
  const isSame = said.length === expected.length && said.every((byte, at) => byte === expected[at]);
  return isSame ? undefined : new Damage(`${name} does not continue the log before it`);
}

function replay({ name }: SegmentHead, { content, offset }: Block, remembered: Remembered): void {
  const fault = errorOf(() => {
    for (const record of readRecords(content)) {
      if (record.kind === "seal") throw new Damage(`${segmentName(record.next)} is missing`);
      remembered.apply(record);
    }
  });
  if (fault instanceof ViewstampError) throw new Damage(`${name} at byte ${offset}: ${fault.message}`);
  if (fault !== undefined) throw fault;
}
