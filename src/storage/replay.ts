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
  /** Where the last segment is to be cut: its size, unless its end is torn. */
  readonly end: number;
}

export class Replay {
  readonly #disk: DiskReader;
  readonly #inventory: Inventory;
  readonly #keepsEntries: boolean;
  readonly #heads: SegmentHead[] = [];
  #remembered: Remembered = new Remembered();
  #end = 0;

  constructor(disk: DiskReader, inventory: Inventory, keepsEntries: boolean) {
    this.#disk = disk;
    this.#keepsEntries = keepsEntries;
    this.#inventory = inventory;
  }

  /** What is known by now, whole or damaged: a hint to whom the data belonged. */
  get clusterId(): string | undefined {
    const known = [this.#remembered.facts, ...this.#heads.map((head) => head.checkpoint.facts)];
    return known.map((facts) => facts.identity?.clusterId).find((id) => id !== undefined);
  }

  /** What has been read: after damage, the log up to it. */
  get remembered(): Remembered {
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
    const scans = segments.map(
      (_, index): Step =>
        (next) =>
          this.#scan(index, next),
    );
    inTurn([...reads, ...scans], (error) => {
      const last = this.#heads.at(-1)!;
      done(error, error === undefined ? { remembered: this.#remembered, last, end: this.#end } : undefined);
    });
  }

  #readHead(number: number, next: Done): void {
    readSegmentHead(this.#disk, number, this.#bytesOf(number), (error, head) => {
      if (head !== undefined) this.#heads.push(head);
      next(error);
    });
  }

  #scan(index: number, next: Done): void {
    const head = this.#heads[index]!;
    const follower = this.#heads[index + 1];
    if (index === 0) {
      this.#remembered = new Remembered(head.checkpoint);
      if (!this.#keepsEntries) this.#remembered.forgetEntries();
    } else {
      const fault = this.#continues(head);
      if (fault !== undefined) return next(fault);
    }
    const take = (block: Block): void => this.#replay(head, block);
    if (follower === undefined) {
      const range = { ...head, limit: this.#bytesOf(head.number) };
      scanTorn(this.#disk, range, take, (error, end) => {
        this.#end = end ?? 0;
        next(error);
      });
    } else {
      scanWhole(this.#disk, { ...head, limit: follower.checkpoint.previousBytes }, take, (error) => {
        this.#remembered.closeSegment(head.number);
        next(error);
      });
    }
  }

  /** The head of a segment says what the segments before it say. */
  #continues({ name, checkpoint }: SegmentHead): Damage | undefined {
    const said = encodeCheckpoint(checkpoint);
    const expected = encodeCheckpoint(this.#remembered.checkpoint(checkpoint.previousBytes));
    const isSame = said.length === expected.length && said.every((byte, at) => byte === expected[at]);
    return isSame ? undefined : new Damage(`${name} does not continue the log before it`);
  }

  #replay({ name }: SegmentHead, { content, offset }: Block): void {
    const fault = errorOf(() => {
      for (const record of readRecords(content)) {
        if (record.kind === "seal") throw new Damage(`${segmentName(record.next)} is missing`);
        this.#remembered.apply(record);
      }
    });
    if (fault instanceof ViewstampError) throw new Damage(`${name} at byte ${offset}: ${fault.message}`);
    if (fault !== undefined) throw fault;
  }

  #bytesOf(number: number): number {
    return this.#inventory.bytesOf.get(segmentName(number)) ?? 0;
  }
}
