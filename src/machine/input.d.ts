/**
 * Checking input against its schema: at the client before it is sent, and again on every replica.
 * @module
 */
import { type GenericSchema } from "valibot";
import type { AnyMachine } from "./definition.ts";
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
export type ParsedInput = {
    readonly value: unknown;
} | {
    readonly issue: InputIssue;
};
/** Never throws unless a schema's own function does. */
export declare function parseInput(schema: GenericSchema, input: unknown): ParsedInput;
/**
 * What a client checks before it sends. The input goes out as it was given; the replicas parse it again.
 * @throws {ViewstampError} `UnknownCommand`, or `InvalidInput` with `data.path`
 */
export declare function checkInput(machine: AnyMachine, kind: "command" | "query", name: string, input: unknown): void;
/** Whether this is a valibot schema with no asynchronous part in sight (a lazy one is not looked into). */
export declare function isSynchronousSchema(value: unknown): value is GenericSchema;
