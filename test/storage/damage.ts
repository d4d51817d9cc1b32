/**
 * Damages the files of a log in every way a disk knows, and judges what a start makes of them: the data is set aside, or
 * it is all there. Only who takes the end of the last segment away, its last mark included, makes what a crash makes.
 */
import * as assert from "uvu/assert";
import { crc32 } from "../../src/protocol/crc32.ts";
import type { Entry } from "../../src/protocol/entry.ts";
import type { DurableState } from "../../src/protocol/storage.ts";
import type { Viewstamp } from "../../src/protocol/view.ts";
import { CrashDisk, randomOf } from "./crash-disk.ts";
import { close, open, perform, save, write } from "./drive.ts";
import { at, life, storageOn } from "./life.ts";
import { after, EMPTY, entriesFrom, type Happening, single, textOf, viewNumbered } from "./model.ts";

type Files = ReadonlyMap<string, Uint8Array>;

/** A log, how its files looked earlier, and every state that it has been in. */
export interface Subject {
  readonly files: Files;
  readonly earlier: readonly Files[];
  readonly states: ReadonlySet<string>;
  readonly intact: string;
  readonly lastLog: string;
  /** Tells the whole state from any other. */
  readonly tell: (state: DurableState) => string;
}

export interface Damaging {
  readonly kind: string;
  /** The file that is changed. */
  readonly name: string;
  /** From where to where it is. */
  readonly from: number;
  readonly to: number;
  readonly apply: (files: Map<string, Uint8Array>) => void;
}

export interface Tally {
  cases: number;
  setAside: number;
  /** All of it was there: the damage hit bytes of no meaning. */
  whole: number;
  /** The end of the last segment is gone with its marks: the state is an earlier one, as after a crash. */
  asAfterCrash: number;
}

const MARK_BYTES = 32;

export async function smallSubject(segmentBytes: number, happenings: number = life.length): Promise<Subject> {
  return subjectOf(life.slice(0, happenings), segmentBytes);
}

/** About 2 MiB in ten segments and a snapshot. */
export async function largeSubject(): Promise<Subject> {
  const happenings: Happening[] = [
    { kind: "identity", incarnation: "0123456789abcdef", clusterId: "c1" },
    { kind: "view", view: viewNumbered(1) },
  ];
  for (let round = 0; round < 120; round++) {
    const before = round * 40;
    happenings.push({ kind: "append", entries: entriesFrom(at(1, before), 1, 40, 100 + ((round * 37) % 700)) });
    if (round % 30 === 10) happenings.push({ kind: "saved", at: at(1, before), chunks: 40 });
    if (round === 45) happenings.push({ kind: "base", at: at(1, 40 * 40) });
    if (round % 9 === 5) happenings.push({ kind: "promised", instance: 2, ballot: { round, node: "b" } });
  }
  return subjectOf(happenings, 200_000);
}

/** About 30 MiB in some fifteen segments and a snapshot: short entries, and some of 50 KB. */
export async function hugeSubject(): Promise<Subject> {
  const happenings: Happening[] = [
    { kind: "identity", incarnation: "0123456789abcdef", clusterId: "c1" },
    { kind: "view", view: viewNumbered(1) },
  ];
  for (let round = 0; round < 150; round++) {
    const before = round * 20;
    const size = round % 3 === 0 ? 100 + ((round * 37) % 700) : 4_000 + ((round * 7919) % 46_000);
    const entries = round % 3 === 0 ? entriesFrom(at(1, before), 1, 20, size) : bulky(at(1, before), size);
    happenings.push({ kind: "append", entries });
    if (round % 50 === 10) happenings.push({ kind: "saved", at: at(1, before), chunks: 40 });
    if (round === 70) happenings.push({ kind: "base", at: at(1, 10 * 20) });
    if (round % 9 === 5) happenings.push({ kind: "promised", instance: 2, ballot: { round, node: "b" } });
  }
  return subjectOf(happenings, 2 << 20, false);
}

/** Twenty entries, half of them of this size. */
function bulky(end: Viewstamp, size: number): readonly Entry[] {
  const large = entriesFrom(end, 1, 20, size);
  return entriesFrom(end, 1, 20, 200).map((small, index) => (index % 2 === 0 ? large[index]! : small));
}

/** `keepsEarlier`: how the files looked after each happening, too. */
async function subjectOf(
  happenings: readonly Happening[],
  segmentBytes: number,
  keepsEarlier = true,
): Promise<Subject> {
  const disk = new CrashDisk();
  const storage = storageOn(disk, segmentBytes);
  await open(storage);
  const earlier: Files[] = [];
  const states = new Set([digestOf(EMPTY)]);
  let state = EMPTY;
  for (const what of happenings) {
    for (const part of single(what)) {
      state = after(state, part);
      states.add(digestOf(state));
    }
    if (what.kind === "saved") await save(storage, what.at, what.chunks);
    else await write(storage, what);
    if (keepsEarlier) earlier.push(disk.contents);
  }
  await perform(storage, []);
  await close(storage);
  const files = disk.contents;
  const logs = [...files.keys()].filter((name) => name.startsWith("log-")).sort();
  const tell = keepsEarlier ? textOf : fingerprintOf;
  return { files, earlier, states, intact: tell(state), lastLog: logs.at(-1)!, tell };
}

/** As good as the text of it, where that would be long. */
function fingerprintOf({ entries, ...facts }: DurableState): string {
  const sums = entries.map(({ bytes }) => crc32(bytes));
  return JSON.stringify([facts, entries.length, crc32(new Uint8Array(Uint32Array.from(sums).buffer)), sums.at(-1)]);
}

/** Enough to tell the states of one history apart. */
function digestOf({ entries, ...facts }: DurableState): string {
  const last = entries.at(-1);
  return JSON.stringify([facts, entries.length, last?.vid, last?.seqno]);
}

/** One bit of every byte. */
export function* everyByte({ files }: Subject): Generator<Damaging> {
  for (const [name, bytes] of files) for (let place = 0; place < bytes.length; place++) yield flip(name, place);
}

/** At random places: a bit, zeros, bytes from elsewhere, an early end; in turn. */
export function* randomPlaces({ files }: Subject, count: number, seed: number): Generator<Damaging> {
  const random = randomOf(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const names = [...files.keys()];
  const total = [...files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  const pick = (): [name: string, place: number] => {
    let place = below(total);
    for (const name of names) {
      const { length } = files.get(name)!;
      if (place < length) return [name, place];
      place -= length;
    }
    throw new Error("beyond the end");
  };
  for (let index = 0; index < count; index++) {
    const [name, place] = pick();
    const bytes = 1 << below(13);
    const [otherName, otherPlace] = pick();
    if (index % 4 === 0) yield flip(name, place);
    if (index % 4 === 1) yield overwrite("zeroed", name, place, new Uint8Array(bytes), files);
    if (index % 4 === 2) {
      const other = files.get(otherName)!.slice(otherPlace, otherPlace + bytes);
      yield overwrite("misplaced", name, place, other, files);
    }
    if (index % 4 === 3) yield cutShort(name, place, files);
  }
}

/** Whole blocks in the place of others, of the same file and of others. */
export function* misplacedBlocks({ files }: Subject, every: number): Generator<Damaging> {
  const blocks = [...files].flatMap(([name, bytes]) => blocksOf(bytes).map((block) => ({ name, ...block })));
  for (let one = 0; one < blocks.length; one += every) {
    for (const other of [one + 1, one + 2, one + Math.floor(blocks.length / 2)]) {
      const [to, from] = [blocks[one]!, blocks[other % blocks.length]!];
      const content = files.get(from.name)!.slice(from.start, from.start + from.length);
      yield overwrite("misplaced block", to.name, to.start, content, files);
    }
  }
}

/** Each file missing, or in the place of another. */
export function* wrongFiles({ files, earlier }: Subject): Generator<Damaging> {
  for (const [name, bytes] of files) {
    const whole = { name, from: 0, to: bytes.length };
    if (files.size > 1) yield { kind: "missing", ...whole, apply: (some) => some.delete(name) };
    for (const [other, content] of files)
      if (other !== name) yield { kind: "swapped", ...whole, apply: (some) => some.set(name, content) };
    const seen = new Set<number>([bytes.length]);
    for (const content of earlier.flatMap((some) => some.get(name) ?? [])) {
      if (seen.has(content.length)) continue;
      seen.add(content.length);
      yield { kind: "stale", ...whole, from: content.length, apply: (some) => some.set(name, content) };
    }
  }
}

function flip(name: string, place: number): Damaging {
  const apply = (files: Map<string, Uint8Array>): void => {
    const bytes = files.get(name)!.slice();
    bytes[place] = bytes[place]! ^ (1 << (place % 8));
    files.set(name, bytes);
  };
  return { kind: "bit", name, from: place, to: place + 1, apply };
}

function overwrite(kind: string, name: string, from: number, content: Uint8Array, files: Files): Damaging {
  const bytes = files.get(name)!;
  const part = content.subarray(0, bytes.length - from);
  const apply = (some: Map<string, Uint8Array>): void => {
    const changed = bytes.slice();
    changed.set(part, from);
    some.set(name, changed);
  };
  return { kind, name, from, to: from + part.length, apply };
}

function cutShort(name: string, from: number, files: Files): Damaging {
  const bytes = files.get(name)!;
  return { kind: "truncated", name, from, to: bytes.length, apply: (some) => some.set(name, bytes.slice(0, from)) };
}

function blocksOf(bytes: Uint8Array): { readonly start: number; readonly length: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks: { start: number; length: number }[] = [];
  for (let start = 20; start < bytes.length; start += blocks.at(-1)!.length)
    blocks.push({ start, length: 32 + view.getUint32(start + 4) });
  return blocks;
}

/** Opens what is left after each damage, and judges it. */
export async function judge(subject: Subject, damages: Iterable<Damaging>, tally: Tally): Promise<void> {
  for (const damage of damages) {
    const files = new Map(subject.files);
    damage.apply(files);
    const state = await open(storageOn(new CrashDisk(files)));
    tally.cases++;
    tally[judged(subject, damage, state)]++;
  }
}

function judged(subject: Subject, damage: Damaging, state: DurableState): "setAside" | "whole" | "asAfterCrash" {
  const what = `${damage.kind} ${damage.name} from ${damage.from} to ${damage.to}`;
  if (state.setAside !== undefined) {
    assert.is(textOf({ ...state, setAside: undefined }), textOf(EMPTY), what);
    assert.ok(state.setAside.reason.length > 0, what);
    return "setAside";
  }
  if (subject.tell(state) === subject.intact) return "whole";
  const { files, lastLog } = subject;
  const takesTheEnd = damage.name === lastLog && damage.to > files.get(lastLog)!.length - MARK_BYTES;
  assert.ok(takesTheEnd, `${what}: silently taken for data`);
  assert.ok(subject.states.has(digestOf(state)), `${what}: a state that never was`);
  return "asAfterCrash";
}

export function newTally(): Tally {
  return { cases: 0, setAside: 0, whole: 0, asAfterCrash: 0 };
}
