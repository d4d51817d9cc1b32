/**
 * The first place at which two values differ, for people: values that the codec carries, such as states and replies.
 * @module
 */

/** Where two values differ, and what each has there. */
export interface Difference {
  /** `state.waiting`, `state.seats[3]`. */
  readonly at: string;
  readonly one: string;
  readonly other: string;
}

const LONGEST = 120;

/** `undefined` if they are equal, the order of keys and members included. */
export function differenceOf(one: unknown, other: unknown, at: string): Difference | undefined {
  const [a, b] = [membersOf(one), membersOf(other)];
  if (a === undefined || b === undefined || a.kind !== b.kind) {
    const [left, right] = [shown(one), shown(other)];
    return a === undefined && b === undefined && isSame(one, other) ? undefined : { at, one: left, other: right };
  }
  for (let index = 0; index < Math.max(a.members.length, b.members.length); index++) {
    const [left, right] = [a.members[index], b.members[index]];
    if (left === undefined || right === undefined || left.path !== right.path)
      return { at: `${at}, in the order of its members`, one: restOf(a, index), other: restOf(b, index) };
    const difference = differenceOf(left.value, right.value, `${at}${left.path}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

interface Member {
  /** How it is reached. */
  readonly path: string;
  readonly label: string;
  readonly value: unknown;
}

interface Members {
  readonly kind: "array" | "map" | "set" | "object";
  readonly members: readonly Member[];
}

function membersOf(value: unknown): Members | undefined {
  if (Array.isArray(value)) {
    return {
      kind: "array",
      members: value.map((one, index) => ({ path: `[${index}]`, label: shown(one), value: one })),
    };
  }
  if (value instanceof Set) {
    const member = (one: unknown): Member => ({ path: `.has(${shown(one)})`, label: shown(one), value: one });
    return { kind: "set", members: [...value].map(member) };
  }
  if (value instanceof Map) {
    const member = ([key, one]: [unknown, unknown]): Member => ({
      path: `.get(${shown(key)})`,
      label: shown(key),
      value: one,
    });
    return { kind: "map", members: [...value].map(member) };
  }
  if (typeof value !== "object" || value === null || isScalar(value)) return undefined;
  const members = Object.entries(value).map(([key, one]) => ({ path: `.${key}`, label: key, value: one }));
  return { kind: "object", members };
}

function restOf({ members }: Members, from: number): string {
  const labels = members.slice(from, from + 5).map(({ label }) => label);
  if (labels.length === 0) return "nothing more";
  return members.length > from + 5 ? `${labels.join(", ")} …` : labels.join(", ");
}

function isScalar(value: object): boolean {
  return value instanceof Date || value instanceof Uint8Array;
}

function isSame(one: unknown, other: unknown): boolean {
  if (one instanceof Date && other instanceof Date) return Object.is(one.getTime(), other.getTime());
  if (one instanceof Uint8Array && other instanceof Uint8Array) return one.join() === other.join();
  return Object.is(one, other);
}

/** A value as a text of bounded length. */
export function shown(value: unknown): string {
  const text = textOf(value, 0);
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}

function textOf(value: unknown, depth: number): string {
  if (typeof value === "string") return JSON.stringify(value.length <= LONGEST ? value : value.slice(0, LONGEST));
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  if (depth === 4) return "…";
  const text = (one: unknown): string => textOf(one, depth + 1);
  if (Array.isArray(value)) return `[${value.slice(0, LONGEST).map(text).join(", ")}]`;
  if (value instanceof Set) return `Set {${firstOf(value).map(text).join(", ")}}`;
  if (value instanceof Map)
    return `Map {${firstOf(value)
      .map((pair) => pair.map(text).join(" => "))
      .join(", ")}}`;
  return `{${Object.entries(value)
    .map(([key, one]) => `${key}: ${text(one)}`)
    .join(", ")}}`;
}

function firstOf<Item>(items: Iterable<Item>): Item[] {
  return [...items].slice(0, LONGEST);
}
