/**
 * Mutants of the storage: what is durable when it says so, and what it reads when it starts (design.md 4.5).
 * @module
 */
import type { Mutant } from "./mutant.ts";

const WRITER = "src/storage/log-writer.ts";
const SCAN = "src/storage/scan.ts";

export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    name: "torn or rotten record read as data",
    rules: [11],
    patches: [
      {
        file: "src/storage/blocks.ts",
        find: "if (view.getUint32(at) !== crc32(bytes, at + 4, at + size)) return BAD;",
        replace: "",
      },
    ],
  },
  {
    name: "bad record at a synced place cut off as torn",
    rules: [11],
    patches: [
      {
        file: SCAN,
        find: "const rotten = failure === undefined && mark! > end;",
        replace: "const rotten = failure === undefined && mark! < 0;",
      },
    ],
  },
  {
    name: "marks run ahead of what is durable",
    rules: [11],
    patches: [
      {
        file: WRITER,
        find: "const bytes = this.#batch.finish(this.#segment.id, this.#bytes, this.#durable);",
        replace: "const bytes = this.#batch.finish(this.#segment.id, this.#bytes, this.#bytes);",
      },
    ],
    why: "a torn end is then taken for rot, and whole data set aside",
  },
  {
    name: "a write is acknowledged without a sync",
    rules: [11],
    patches: [
      {
        file: WRITER,
        find: "this.#append(() =>\n      this.#segment.file.sync((error) => {",
        replace: "this.#append(() =>\n      ((done: Done) => done(undefined))((error) => {",
      },
    ],
  },
  {
    name: "a write is acknowledged before its mark",
    rules: [11],
    patches: [
      {
        file: WRITER,
        find: "this.#unmarked = this.#committing;",
        replace: "for (const done of this.#committing) done(undefined);",
      },
    ],
    why: "rot of the last batch is then taken for a torn write",
  },
  {
    name: "a new file's name is not synced",
    rules: [11],
    patches: [
      { file: "src/storage/new-file.ts", find: "          (next) => disk.syncDirectory(next),\n", replace: "" },
    ],
  },
  {
    name: "a snapshot counts before it is synced",
    rules: [11],
    patches: [{ file: "src/storage/snapshot-writer.ts", find: "          (next) => this.#sync(next),\n", replace: "" }],
  },
  {
    name: "the old snapshot is removed before the new one counts",
    rules: [11],
    patches: [
      {
        file: "src/storage/log-storage.ts",
        find: `log.write([{ kind: "snapshot", note: stored.note }], (error) => {
      if (error !== undefined) return done(error);
      const old = this.#snapshot;`,
        replace: `const gone = this.#snapshot;
    if (gone !== undefined) this.#options.disk.remove(snapshotName(gone.note.number), () => {});
    log.write([{ kind: "snapshot", note: stored.note }], (error) => {
      if (error !== undefined) return done(error);
      const old = undefined;`,
      },
    ],
    wishes: { faults: ["crash at the disk"] },
    why: `the crash has to come within the one write that makes the new snapshot count: in the usual draw, where this fault is
one among forty, once in some thousand seeds`,
  },
  {
    name: "a dropped tail is back after a restart",
    rules: [3, 11],
    patches: [
      {
        file: "src/storage/remembered.ts",
        find: "this.#entries.length = Math.min(this.#entries.length, seqno - this.#floor);",
        replace: "this.#entries.length = Math.min(this.#entries.length, seqno + 1 - this.#floor);",
      },
    ],
    why: "one entry too many is kept",
  },
  {
    name: "the learner's promise is not remembered",
    rules: [3, 11],
    patches: [
      {
        file: "src/storage/remembered.ts",
        find: "this.#learn({ level: { vid: record.vid, through: record.through } });",
        replace: "this.#learn({ level: undefined });",
      },
    ],
  },
];
