/** A node's life on the crashing disk, and what may be found of it afterwards. */
import * as assert from "uvu/assert";
import type { DurableState, Storage } from "../../src/protocol/storage.ts";
import type { Viewstamp } from "../../src/protocol/view.ts";
import { logStorage } from "../../src/storage/log-storage.ts";
import { differenceOf } from "../protocol/arbitraries.ts";
import { CrashDisk, randomOf } from "./crash-disk.ts";
import { close, open, perform, readChunk, save, write } from "./drive.ts";
import { after, chunkOf, EMPTY, entriesFrom, type Happening, single, textOf, viewNumbered } from "./model.ts";

export const SMALL_SEGMENT = 500;

export function storageOn(disk: CrashDisk, segmentBytes: number = SMALL_SEGMENT): Storage {
  const random = randomOf(1);
  const digits = (): string =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  return logStorage({ disk, randomId: () => digits() + digits(), defer: queueMicrotask, segmentBytes });
}

/** What is on the disk after all of this and an orderly end. */
export async function filesOf(
  happenings: readonly Happening[],
  segmentBytes?: number,
): Promise<Map<string, Uint8Array>> {
  const disk = new CrashDisk();
  const storage = storageOn(disk, segmentBytes);
  await open(storage);
  await perform(storage, happenings);
  await close(storage);
  return disk.contents;
}

export const at = (vid: number, seqno: number): Viewstamp => ({ vid, seqno });

/** A node's life: views, promises, entries, a truncation, snapshots, one of them received. */
export const life: readonly Happening[] = [
  { kind: "identity", incarnation: "0123456789abcdef", clusterId: undefined },
  { kind: "identity", incarnation: "0123456789abcdef", clusterId: "c1" },
  { kind: "view", view: viewNumbered(1) },
  { kind: "append", entries: entriesFrom(at(0, 0), 1, 7, 40) },
  { kind: "promised", instance: 2, ballot: { round: 1, node: "b" } },
  { kind: "append", entries: entriesFrom(at(1, 7), 1, 5, 60) },
  { kind: "accepted", instance: 2, accepted: { ballot: { round: 1, node: "b" }, value: viewNumbered(2) } },
  { kind: "view", view: viewNumbered(2) },
  { kind: "truncate", seqno: 10 },
  { kind: "append", entries: entriesFrom(at(1, 10), 2, 6, 50) },
  { kind: "saved", at: at(2, 14), chunks: 3 },
  { kind: "append", entries: entriesFrom(at(2, 16), 2, 8, 50) },
  { kind: "base", at: at(2, 14) },
  { kind: "level", vid: 2, through: at(2, 24) },
  { kind: "append", entries: entriesFrom(at(2, 24), 2, 8, 50) },
  { kind: "saved", at: at(2, 30), chunks: 2 },
  { kind: "base", at: at(2, 30) },
  { kind: "append", entries: entriesFrom(at(2, 32), 2, 3, 50) },
  { kind: "view", view: viewNumbered(5) },
  { kind: "saved", at: at(4, 50), chunks: 2 },
  { kind: "base", at: at(4, 50) },
  { kind: "append", entries: entriesFrom(at(4, 50), 5, 9, 70) },
];

/** The states that a crash may leave: one after each step, numbered; `state` and the steps done when it was reached. */
const steps = life.flatMap((what, index) => single(what).map((part) => ({ part, index })));
const states: { readonly text: string; readonly done: number }[] = [{ text: textOf(EMPTY), done: 0 }];
let reached: DurableState = EMPTY;
for (const { part, index } of steps) {
  reached = after(reached, part);
  states.push({ text: textOf(reached), done: index });
}

/** Does it all, several writes at once between snapshots; says how many happenings were acknowledged. */
export async function live(storage: Storage, acknowledged: (count: number) => void): Promise<void> {
  await open(storage);
  let count = 0;
  let pending: Promise<void>[] = [];
  for (const what of life) {
    if (what.kind === "saved") {
      await Promise.all(pending);
      pending = [];
      await save(storage, what.at, what.chunks);
      acknowledged(++count);
    } else {
      pending.push(write(storage, what).then(() => acknowledged(++count)));
    }
  }
  await Promise.all(pending);
}

/** Everything acknowledged is there, and nothing that was not done. */
export function assertPrefix(state: DurableState, acknowledged: number, context: string): void {
  const text = textOf(state);
  const matching = states.filter((one) => one.text === text);
  assert.ok(matching.length > 0, `${context}: a state that never was: ${text}`);
  const last = matching.at(-1)!;
  const complete = states.filter((one) => one.done < acknowledged).at(-1)!;
  const isLater = states.indexOf(last) >= states.indexOf(complete);
  assert.ok(
    isLater || acknowledged === 0,
    `${context}: ${acknowledged} happenings were acknowledged, ${last.done} are left`,
  );
}

export async function assertChunks(storage: Storage, { snapshot }: DurableState): Promise<void> {
  for (let index = 0; index < (snapshot?.chunks ?? 0); index++) {
    const chunk = await readChunk(storage, snapshot!.at, index);
    assert.is(differenceOf(chunk, chunkOf(snapshot!.at, index)), "");
  }
}
