/**
 * Names that no machine, command or query may have: each would hide a member of the client, or make it something else
 * (an object with a `then` is taken for a promise).
 */
export declare const RESERVED_NAMES: readonly ["ask", "catch", "client", "close", "constructor", "dispose", "environment", "execute", "finally", "hasOwnProperty", "isPrototypeOf", "off", "on", "onNotice", "onSession", "openSession", "propertyIsEnumerable", "prototype", "session", "then", "toJSON", "toLocaleString", "toString", "valueOf", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__"];
/** One of `RESERVED_NAMES`. */
export type ReservedName = (typeof RESERVED_NAMES)[number];
/** What the compiler demands, and never gets, where a definition is refused: its text says why. */
export interface Refused<Why extends string> {
    readonly "refused, because": Why;
}
type Lower = ("a" | "b" | "c" | "d" | "e" | "f" | "g" | "h" | "i" | "j" | "k" | "l" | "m") | ("n" | "o" | "p" | "q" | "r" | "s" | "t" | "u" | "v" | "w" | "x" | "y" | "z");
type FirstCharacter = Lower | Uppercase<Lower> | "_" | "$";
type Character = FirstCharacter | "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";
type IsIdentifierRest<Text extends string> = Text extends "" ? true : Text extends `${infer Head}${infer Rest}` ? Head extends Character ? IsIdentifierRest<Rest> : false : false;
type IsIdentifier<Text extends string> = Text extends `${infer Head}${infer Rest}` ? Head extends FirstCharacter ? IsIdentifierRest<Rest> : false : false;
/** `unknown` for a good name (or one that is only known at run time), else why it is none. */
export type NameCheck<Name> = Name extends string ? string extends Name ? unknown : Name extends ReservedName ? Refused<`"${Name}" would hide a member of the client`> : IsIdentifier<Name> extends true ? unknown : Refused<`"${Name}" is no identifier (ASCII letters, digits, _ and $)`> : Refused<"a name is a string">;
/** The keys that are known when compiling. */
type KnownKeys<Calls> = string extends keyof Calls ? never : keyof Calls;
/** Checks each key of `Calls`, and that none of them is a key of `Others` too. */
export type NamesCheck<Calls, Others> = {
    readonly [Name in keyof Calls]: Name extends KnownKeys<Others> ? Refused<"a name is either a command or a query"> : NameCheck<Name>;
};
/**
 * Checks a name at run time; `what` says whose it is.
 * @throws {ViewstampError} `InvalidOptions`
 */
export declare function checkName(what: string, name: unknown): asserts name is string;
export {};
