/**
 * The files of a data directory, by name. Numbers only go up, so that what is newer is known from the name.
 * @module
 */

export const NOTE_NAME = "set-aside";
const TEMPORARY = ".tmp";
const NUMBERED = /^(log|snapshot)-(\d{8,15})$/;
const ASIDE = /^aside-\d+-(log|snapshot)-\d{8,15}$/;

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
  /** Files that were being made when a crash came. */
  readonly temporary: readonly string[];
  readonly hasNote: boolean;
  /** Whether data was ever set aside here. */
  readonly hasAside: boolean;
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
  return ASIDE.exec(name)?.[1] as "log" | "snapshot" | undefined;
}

export function takeInventory(files: readonly { readonly name: string; readonly bytes: number }[]): Inventory {
  const names = files.map(({ name }) => name);
  const numbers = (kind: string): number[] =>
    names
      .map((name) => NUMBERED.exec(name))
      .filter((match) => match?.[1] === kind)
      .map((match) => Number(match![2]))
      .sort((a, b) => a - b);
  const segments = numbers("log");
  const begin = segments.findLastIndex((number, index) => index > 0 && segments[index - 1] !== number - 1);
  return {
    segments: segments.slice(Math.max(0, begin)),
    strays: segments.slice(0, Math.max(0, begin)),
    snapshots: numbers("snapshot"),
    temporary: names.filter((name) => name.endsWith(TEMPORARY)),
    hasNote: names.includes(NOTE_NAME),
    hasAside: names.some((name) => name.startsWith("aside-")),
    bytesOf: new Map(files.map(({ name, bytes }) => [name, bytes])),
  };
}
