/**
 * Checking input against its schema: at the client before it is sent, and again on every replica.
 * @module
 */
import { type GenericSchema, safeParse } from "valibot";
import { ViewstampError } from "../protocol/errors.ts";
import type { AnyMachine, Schema } from "./definition.ts";

/** Why an input is none. */
export interface InputIssue {
  /** Where: `sku`, `items[2].by`; empty for the input itself. */
  readonly path: string;
  /** What the schema was looking for, as valibot names it (`string`, `min_value`); depends on nothing else. */
  readonly type: string;
  /** For people; depends on valibot's version and language. */
  readonly text: string;
}

/** An input after its schema, or why not. */
export type ParsedInput = { readonly value: unknown } | { readonly issue: InputIssue };

/** Never throws unless a schema's own function does. */
export function parseInput(schema: Schema, input: unknown): ParsedInput {
  const result = safeParse(schema as GenericSchema, input, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return { value: result.output };
  const [issue] = result.issues;
  return { issue: { path: pathOf(issue.path ?? []), type: issue.type, text: issue.message } };
}

function pathOf(items: readonly { readonly key: unknown }[]): string {
  return items.map(({ key }, index) => stepOf(key, index === 0)).join("");
}

function stepOf(key: unknown, first: boolean): string {
  if (typeof key === "number") return `[${key}]`;
  if (typeof key !== "string") return `[${typeof key}]`;
  if (/^[A-Za-z_$][\w$]*$/.test(key)) return first ? key : `.${key}`;
  return `[${JSON.stringify(key.slice(0, 64))}]`;
}

/**
 * What a client checks before it sends. The input goes out as it was given; the replicas parse it again.
 * @throws {ViewstampError} `UnknownCommand`, or `InvalidInput` with `data.path`
 */
export function checkInput(machine: AnyMachine, kind: "command" | "query", name: string, input: unknown): void {
  const calls = kind === "command" ? machine.commands : machine.queries;
  const call = Object.hasOwn(calls, name) ? calls[name] : undefined;
  if (call === undefined) {
    throw new ViewstampError("UnknownCommand", `machine "${machine.name}" has no ${kind} "${name}"`);
  }
  const parsed = parseInput(call.schema, input);
  if (!("issue" in parsed)) return;
  const { path, text, type } = parsed.issue;
  const place = path === "" ? "" : ` at ${path}`;
  throw new ViewstampError("InvalidInput", `input of ${machine.name}.${name}${place}: ${text}`, {
    data: { path, type },
  });
}

/** Whether this is a valibot schema with no asynchronous part in sight (a lazy one is not looked into). */
export function isSynchronousSchema(value: unknown): value is Schema {
  return isObject(value) && value["kind"] === "schema" && "~run" in value && !hasAsync(value, new Set());
}

/** Looks into everything that is made of schemas: entries, items, options, pipes. */
function hasAsync(part: unknown, seen: Set<object>): boolean {
  if (!isObject(part) || seen.has(part)) return false;
  seen.add(part);
  if (part["async"] === true) return true;
  const inside = Array.isArray(part) ? part : Object.entries(part).flatMap(([key, value]) => structure(key, value));
  return inside.some((one) => hasAsync(one, seen));
}

const structural: ReadonlySet<string> = new Set([
  ...["entries", "item", "items", "key", "options", "pipe", "rest", "value", "wrapped"],
]);

function structure(key: string, value: unknown): readonly unknown[] {
  if (!structural.has(key) || !isObject(value)) return [];
  return key === "entries" ? Object.values(value) : [value];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
