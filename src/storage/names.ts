/**
 * The files of a data directory, by name. Numbers only go up, so that what is newer is known from the name.
 * @module
 */

export const NOTE_NAME = "set-aside";
const TEMPORARY = ".tmp";
const NUMBERED = /^(log|snapshot)-(\d{8,15})$/;
const ASIDE = /^aside-(\d+)-(log|snapshot)-\d{8,15}$/;

/** What is in the directory. */
export interface Inventory {
  /** The newest without a gap, ascending, as are the snapshots. */
  readonly segments: readonly number[];
  /**
   * Those before a gap. Needless segments are removed oldest first, but a crash may undo some removals; whether the
   * segments after the gap are enough, they say themselves.
   */
  readonly strays: readonly number[];
  readonly snapshots: readonly number[];
  /** Files that were being made when a crash came. What others call temporary is theirs. */
  readonly temporary: readonly string[];
  readonly hasNote: boolean;
  /** The highest number under which data was set aside here; 0 if none ever was. */
  readonly lastAside: number;
  readonly bytesOf: ReadonlyMap<string, number>;
}

export function segmentName(number: number): string {
  return `log-${String(number).padStart(8, "0")}`;
}

export function snapshotName(number: number): string {
  return `snapshot-${String(number).padStart(8, "0")}`;
}

export function temporaryName(name: string): string {
  return `${name}${TEMPORARY}`;
}

export function asideName(name: string, from: number): string {
  return `aside-${from}-${name}`;
}

/** What a file was before it was set aside; `undefined` if it was not. */
export function kindOfAside(name: string): "log" | "snapshot" | undefined {
  return ASIDE.exec(name)?.[2] as "log" | "snapshot" | undefined;
}

/** Where `recover --force` keeps the data of a directory; if that is gone then it was interrupted. */
export function keptBeforeRecovery(directory: string): string {
  return `${directory}.before-recovery`;
}

/** Under which number a file was set aside; `undefined` if it was not. */
export function numberOfAside(name: string): number | undefined {
  const number = ASIDE.exec(name)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** Above all that are there, also of what was set aside: nothing that is kept is written over. */
export function numberAbove({ segments, snapshots, lastAside }: Inventory): number {
  return Math.max(segments.at(-1) ?? 0, snapshots.at(-1) ?? 0, lastAside) + 1;
}

/** The number of a segment or snapshot. A name that only looks like one, as with one more zero, is no file of this library. */
function numberOf(name: string, kind: "log" | "snapshot"): number | undefined {
  const [, found, digits] = NUMBERED.exec(name) ?? [];
  const isOwn = found === kind && name === (kind === "log" ? segmentName : snapshotName)(Number(digits));
  return isOwn ? Number(digits) : undefined;
}

function isTemporary(name: string): boolean {
  const made = name.endsWith(TEMPORARY) ? name.slice(0, -TEMPORARY.length) : "";
  return made === NOTE_NAME || numberOf(made, "log") !== undefined;
}

export function takeInventory(files: readonly { readonly name: string; readonly bytes: number }[]): Inventory {
  const names = files.map(({ name }) => name);
  const numbers = (kind: "log" | "snapshot"): number[] =>
    names.flatMap((name) => numberOf(name, kind) ?? []).sort((a, b) => a - b);
  const segments = numbers("log");
  const begin = segments.findLastIndex((number, index) => index > 0 && segments[index - 1] !== number - 1);
  return {
    segments: segments.slice(Math.max(0, begin)),
    strays: segments.slice(0, Math.max(0, begin)),
    snapshots: numbers("snapshot"),
    temporary: names.filter(isTemporary),
    hasNote: names.includes(NOTE_NAME),
    lastAside: Math.max(0, ...names.map((name) => numberOfAside(name) ?? 0)),
    bytesOf: new Map(files.map(({ name, bytes }) => [name, bytes])),
  };
}
