/**
 * The names that machines, commands and queries may have: they become members of a typed client.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";

/**
 * Names that no machine, command or query may have: each would hide a member of the client, or make it something else
 * (an object with a `then` is taken for a promise).
 */
export const RESERVED_NAMES = [
  "ask",
  "catch",
  "client",
  "close",
  "constructor",
  "dispose",
  "environment",
  "execute",
  "finally",
  "hasOwnProperty",
  "isPrototypeOf",
  "off",
  "on",
  "onNotice",
  "onSession",
  "openSession",
  "propertyIsEnumerable",
  "prototype",
  "session",
  "then",
  "toJSON",
  "toLocaleString",
  "toString",
  "valueOf",
  "__defineGetter__",
  "__defineSetter__",
  "__lookupGetter__",
  "__lookupSetter__",
  "__proto__",
] as const;

/** One of `RESERVED_NAMES`. */
export type ReservedName = (typeof RESERVED_NAMES)[number];

/** What the compiler demands, and never gets, where a definition is refused: its text says why. */
export interface Refused<Why extends string> {
  /** Nothing has it. */
  readonly "refused, because": Why;
}

/** Whether all of a text may stand in an identifier; after its first character digits may too. */
export type IsIdentifier<Text extends string, Digit extends string = never> = Text extends `${infer Head}${infer Rest}`
  ? Lowercase<Head> extends
      | ("a" | "b" | "c" | "d" | "e" | "f" | "g" | "h" | "i" | "j" | "k" | "l" | "m" | "n" | "o" | "p" | "q" | "r")
      | ("s" | "t" | "u" | "v" | "w" | "x" | "y" | "z" | "_" | "$" | Digit)
    ? Rest extends ""
      ? true
      : IsIdentifier<Rest, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9">
    : false
  : false;

/** `unknown` for a good name (or one that is only known at run time), else why it is none. */
export type NameCheck<Name> = Name extends string
  ? string extends Name
    ? unknown
    : Name extends ReservedName
      ? Refused<`"${Name}" would hide a member of the client`>
      : IsIdentifier<Name> extends true
        ? unknown
        : Refused<`"${Name}" is no identifier (ASCII letters, digits, _ and $)`>
  : Refused<"a name is a string">;

/** The keys that are known when compiling. */
export type KnownKeys<Calls> = string extends keyof Calls ? never : keyof Calls;

/** Checks each key of `Calls`, and that none of them is a key of `Others` too. */
export type NamesCheck<Calls, Others> = {
  readonly [Name in keyof Calls]: Name extends KnownKeys<Others>
    ? Refused<"a name is either a command or a query">
    : NameCheck<Name>;
};

const identifier = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
const longest = 64;
const reserved: ReadonlySet<string> = new Set(RESERVED_NAMES);

/**
 * Checks a name at run time; `what` says whose it is.
 * @throws {ViewstampError} `InvalidOptions`
 */
export function checkName(what: string, name: unknown): asserts name is string {
  const refuse = (why: string): never => {
    throw new ViewstampError("InvalidOptions", `${what} cannot have the name ${quoted(name)}: ${why}`);
  };
  if (typeof name !== "string" || !identifier.test(name)) {
    refuse("a name is an identifier of ASCII letters, digits, _ and $, not beginning with a digit");
  } else if (name.length > longest) {
    refuse(`a name has at most ${longest} characters`);
  } else if (reserved.has(name)) {
    refuse("it would hide a member of the client");
  }
}

function quoted(name: unknown): string {
  return typeof name === "string" ? JSON.stringify(name.slice(0, 80)) : `of type ${typeof name}`;
}
