/**
 * Making a machine: `command`, `query`, `defineMachine`, and the checks that the compiler cannot make.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type {
  AnyCommand,
  AnyMachine,
  AnyQuery,
  Command,
  CommandContext,
  Machine,
  MachineDefinition,
  NoCalls,
  Query,
  QueryContext,
  Schema,
  Synchronous,
} from "./definition.ts";
import { isSynchronousSchema } from "./input.ts";
import { checkName } from "./names.ts";

/**
 * A command: the schema of its input and what it does. The handler changes the state and gives the reply, which the
 * value codec must carry. Throwing `MachineError` refuses: that is the reply, and what was changed before stays
 * changed, so look first and change then. Any other throw, and a promise, becomes `MachineFailed` at the client.
 *
 * Every replica runs it, so it must do the same everywhere: no clock, no `Math.random`, no locale, no I/O, nothing from
 * outside the state but `ctx`; no `Math.sin` and the like, whose last digits differ between engines; no
 * decision by an error's text. Schemas run on every replica too, and stand under the same law.
 *
 * @example
 * ```ts
 * add: command(v.object({ sku: v.string(), by: v.number() }), (state, { sku, by }) => {
 *   const next = (state.get(sku) ?? 0) + by;
 *   if (next < 0) throw new MachineError("OUT_OF_STOCK", { sku });
 *   state.set(sku, next);
 *   return next;
 * }),
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions` for something other than a synchronous valibot schema and a function
 */
export function command<State, Input, Parsed, Output>(
  schema: Schema<Input, Parsed>,
  handler: (state: State, input: Parsed, ctx: CommandContext) => Synchronous<Output>,
): Command<State, Input, Output, Parsed> {
  checkCall("command", schema, handler);
  const run = (state: State, input: Parsed, ctx: CommandContext): Output => handler(state, input, ctx) as Output;
  return Object.freeze(Object.assign(run, { kind: "command" as const, schema }));
}

/**
 * A query: the schema of its input and what it answers. It changes nothing; it runs on one replica only, so a change
 * made here would make the replicas differ. Refusals and failures are as with `command`.
 *
 * @example
 * ```ts
 * count: query(v.string(), (state, sku) => state.get(sku) ?? 0),
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions` for something other than a synchronous valibot schema and a function
 */
export function query<State, Input, Parsed, Output>(
  schema: Schema<Input, Parsed>,
  handler: (state: State, input: Parsed, ctx: QueryContext) => Synchronous<Output>,
): Query<State, Input, Output, Parsed> {
  checkCall("query", schema, handler);
  const run = (state: State, input: Parsed, ctx: QueryContext): Output => handler(state, input, ctx) as Output;
  return Object.freeze(Object.assign(run, { kind: "query" as const, schema }));
}

/**
 * Defines a replicated state machine. The types of its calls reach the client from here.
 *
 * @example
 * ```ts
 * export const stock = defineMachine({
 *   name: "stock",
 *   version: 1,
 *   init: () => new Map<string, number>(),
 *   commands: {
 *     add: command(v.object({ sku: v.string(), by: v.number() }), (state, { sku, by }) => {
 *       const next = (state.get(sku) ?? 0) + by;
 *       state.set(sku, next);
 *       return next;
 *     }),
 *   },
 *   queries: {
 *     count: query(v.string(), (state, sku) => state.get(sku) ?? 0),
 *   },
 * });
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions` for a bad or reserved name, an unknown field, or parts that need each other
 */
export function defineMachine<
  const Name extends string,
  State extends object,
  Commands extends Readonly<Record<string, AnyCommand<State>>>,
  Queries extends Readonly<Record<string, AnyQuery<State>>> = NoCalls,
  Notice = never,
  Previous = never,
>(
  definition: MachineDefinition<Name, State, Commands, Queries, Notice, Previous>,
): Machine<Name, State, Commands, Queries, Notice> {
  checkDefinition(definition);
  const { commands, queries = {} } = definition;
  const machine = {
    ...definition,
    kind: "machine" as const,
    commands: Object.freeze({ ...commands }),
    queries: Object.freeze({ ...queries }),
  };
  return Object.freeze(machine) as unknown as Machine<Name, State, Commands, Queries, Notice>;
}

const optionalFunctions = [
  "notices",
  "sessionEnded",
  "deadline",
  "tick",
  "snapshot",
  "restore",
  "migrate",
] as const satisfies readonly (keyof AnyMachine)[];

const fields: ReadonlySet<PropertyKey> = new Set([
  "name",
  "version",
  "init",
  "commands",
  "queries",
  "previous",
  ...optionalFunctions,
]);

/** Parts that make sense only together. */
const pairs = [
  ["snapshot", "restore"],
  ["deadline", "tick"],
  ["previous", "migrate"],
] as const;

function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ViewstampError("InvalidOptions", message);
}

function checkCall(kind: "command" | "query", schema: unknown, handler: unknown): void {
  demand(isSynchronousSchema(schema), `the first argument of ${kind} is a valibot schema without async parts`);
  demand(typeof handler === "function", `the second argument of ${kind} is a function (state, input, ctx)`);
}

type Unchecked = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Unchecked {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkDefinition(definition: unknown): void {
  demand(isRecord(definition), "defineMachine takes an object with name, version, init and commands");
  checkName("a machine", definition["name"]);
  const of = `machine "${definition["name"]}"`;
  const unknown = Reflect.ownKeys(definition).find((field) => !fields.has(field));
  demand(unknown === undefined, `${of} has an unknown field ${String(unknown)}; it may have ${list(fields)}`);
  demand(isVersion(definition["version"]), `the version of ${of} is a whole number from 1`);
  demand(typeof definition["init"] === "function", `init of ${of} is a function that makes the empty state`);
  for (const field of optionalFunctions) {
    const part = definition[field];
    demand(part === undefined || typeof part === "function", `${field} of ${of} is a function`);
  }
  for (const [one, other] of pairs) {
    const both = (definition[one] === undefined) === (definition[other] === undefined);
    demand(both, `${of} has ${one} or ${other} alone; they need each other`);
  }
  checkCalls(of, definition["commands"], definition["queries"] ?? {});
  checkPrevious(of, definition);
}

function checkCalls(of: string, commands: unknown, queries: unknown): void {
  demand(isRecord(commands), `commands of ${of} is an object of command(schema, handler)`);
  demand(isRecord(queries), `queries of ${of} is an object of query(schema, handler)`);
  checkKind(of, "command", commands);
  checkKind(of, "query", queries);
  for (const name of Object.keys(queries)) {
    demand(!Object.hasOwn(commands, name), `"${name}" of ${of} is both a command and a query`);
  }
}

function checkKind(of: string, kind: "command" | "query", calls: Unchecked): void {
  for (const name of Reflect.ownKeys(calls)) {
    checkName(`a ${kind} of ${of}`, name);
    const call = calls[name];
    const made = typeof call === "function" && "kind" in call && call.kind === kind;
    demand(made, `"${name}" of ${of} is no ${kind}: make it with ${kind}(schema, handler)`);
  }
}

function checkPrevious(of: string, { name, version, previous }: Unchecked): void {
  if (previous === undefined) return;
  demand(isMachine(previous), `previous of ${of} is the earlier machine, made by defineMachine`);
  demand(previous.name === name, `previous of ${of} is another machine, "${previous.name}"`);
  demand(previous.version < Number(version), `previous of ${of} is not older: version ${previous.version}`);
}

function isVersion(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 1;
}

/** Whether this was made by `defineMachine`. */
export function isMachine(value: unknown): value is AnyMachine {
  return isRecord(value) && value["kind"] === "machine" && Object.isFrozen(value);
}

function list(names: ReadonlySet<PropertyKey>): string {
  return [...names].map(String).join(", ");
}
