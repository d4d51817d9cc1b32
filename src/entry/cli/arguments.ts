/**
 * The command line as typed values. What is unknown, missing or impossible is a `UsageError` that says so.
 * @module
 */
import { parseArgs } from "node:util";
import { UsageError } from "./exit-codes.ts";

export interface OptionSpec {
  readonly type: "string" | "boolean";
  /** What stands for the value in the help, such as `URL`. */
  readonly value?: string;
  readonly required?: boolean;
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export interface Shape {
  readonly options: OptionSpecs;
  /**
   * Names of the required arguments, then of the optional ones in brackets, as in `["KEY", "[VALUE]"]`; the last one may be
   * said again and again, as in `["NAME", "[NAME …]"]`.
   */
  readonly positionals: readonly string[];
  /** Whether `-- COMMAND` has to follow. */
  readonly takesCommand?: boolean;
}

/** What was on the command line, checked against a shape. */
export interface Arguments {
  readonly positionals: readonly string[];
  /** What stands after `--`, where a command has to; elsewhere more positionals do. */
  readonly command: readonly string[];
  has(name: string): boolean;
  /** @throws {UsageError} if it is missing and has no fallback */
  text(name: string, fallback?: string): string;
  /** A number from `least` to `most`. @throws {UsageError} if it is none, or missing without a fallback */
  number(name: string, fallback?: number, least?: number, most?: number): number;
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[], shape: Shape): Arguments {
  const { tokens } = parseArgs({
    args: [...args],
    options: parserOptions(shape.options),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string | true>();
  const positionals: string[] = [];
  const end = tokens.find((token) => token.kind === "option-terminator")?.index ?? args.length;
  for (const token of tokens) {
    if (token.index >= end) break;
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    if (values.has(token.name)) throw new UsageError(`${token.rawName} is given twice`);
    values.set(token.name, checkedValue(token, shape));
  }
  const rest = args.slice(end + 1);
  const command = shape.takesCommand === true ? rest : [];
  if (shape.takesCommand !== true) positionals.push(...rest);
  checkPositionals(positionals, shape);
  checkRequired(values, shape.options);
  if (shape.takesCommand === true && command.length === 0)
    throw new UsageError("the command is missing: write it after --");
  return { positionals, command, ...readers(values) };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function parserOptions(specs: OptionSpecs): Record<string, { type: "string" | "boolean" }> {
  return Object.fromEntries(Object.entries(specs).map(([name, { type }]) => [name, { type }]));
}

function checkedValue({ name, rawName, value, inlineValue }: OptionToken, shape: Shape): string | true {
  const { options: specs } = shape;
  const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
  if (spec === undefined || !rawName.startsWith("--")) throw new UsageError(unknownOption(rawName, shape));
  if (spec.type === "boolean") {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return true;
  }
  // A value that begins with a dash is a forgotten value more often than a value; `--name=-x` still takes it.
  if (value === undefined || value === "" || (inlineValue !== true && value.startsWith("-")))
    throw new UsageError(`${rawName} needs a value: ${rawName} ${spec.value ?? "VALUE"}`);
  return value;
}

function unknownOption(rawName: string, { options, positionals, takesCommand }: Shape): string {
  const names = Object.keys(options);
  const begun = rawName.length > 4 ? names.find((name) => `--${name}`.startsWith(`${rawName}-`)) : undefined;
  const near = names.find((name) => isNear(`--${name}`, rawName)) ?? begun;
  if (near !== undefined) return `unknown option ${rawName}; ${didYouMean(`--${near}`)}`;
  const mayBeMeant = !rawName.startsWith("--") && positionals.length > 0 && takesCommand !== true;
  return `unknown option ${rawName}${mayBeMeant ? "; write what begins with a dash, and is no option, after --" : ""}`;
}

export function didYouMean(name: string): string {
  return `did you mean ${name}?`;
}

/** Whether one is the other with one letter more, less or changed, or two neighbours swapped; `camelCase` is `camel-case`. */
export function isNear(name: string, given: string): boolean {
  const a = name;
  const b = given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  const swapped = restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2);
  return swapped || restA.slice(1) === restB.slice(1) || restA.slice(1) === restB || restA === restB.slice(1);
}

function checkPositionals(given: readonly string[], { positionals: names, takesCommand }: Shape): void {
  const missing = names.slice(given.length).find((name) => !name.startsWith("["));
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  if (given.length <= names.length || names.at(-1)?.includes("…")) return;
  const hint = takesCommand === true ? "; write the command after --" : "";
  throw new UsageError(`too many arguments: ${JSON.stringify(given[names.length])}${hint}`);
}

function checkRequired(values: ReadonlyMap<string, string | true>, specs: OptionSpecs): void {
  const missing = Object.entries(specs).find(([name, { required }]) => required === true && !values.has(name));
  if (missing !== undefined) throw new UsageError(`--${missing[0]} is missing`);
}

function readers(values: ReadonlyMap<string, string | true>): Pick<Arguments, "has" | "text" | "number"> {
  const text = (name: string, fallback?: string): string => {
    const value = values.get(name) ?? fallback;
    if (typeof value !== "string") throw new UsageError(`--${name} is missing`);
    return value;
  };
  return {
    has: (name) => values.has(name),
    text,
    number: (name, fallback, least = 0, most = Number.POSITIVE_INFINITY) => {
      const value = text(name, fallback === undefined ? undefined : String(fallback));
      const number = Number(value);
      if (value.trim() === "" || !Number.isFinite(number) || number < least || number > most)
        throw new UsageError(`--${name} must be a number${rangeText(least, most)}, not "${value}"`);
      return number;
    },
  };
}

function rangeText(least: number, most: number): string {
  if (Number.isFinite(most)) return ` from ${least} to ${most}`;
  return least > 0 ? ` of at least ${least}` : "";
}
