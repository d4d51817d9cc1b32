/**
 * Making a machine: `command`, `query`, `defineMachine`, and the checks that the compiler cannot make.
 * @module
 */
import type { GenericSchema } from "valibot";
import type { AnyCommand, AnyMachine, AnyQuery, Command, CommandContext, Machine, MachineDefinition, NoCalls, Query, QueryContext, Synchronous } from "./definition.ts";
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
export declare function command<State, Input, Parsed, Output>(schema: GenericSchema<Input, Parsed>, handler: (state: State, input: Parsed, ctx: CommandContext) => Synchronous<Output>): Command<State, Input, Output, Parsed>;
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
export declare function query<State, Input, Parsed, Output>(schema: GenericSchema<Input, Parsed>, handler: (state: State, input: Parsed, ctx: QueryContext) => Synchronous<Output>): Query<State, Input, Output, Parsed>;
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
export declare function defineMachine<const Name extends string, State extends object, Commands extends Readonly<Record<string, AnyCommand<State>>>, Queries extends Readonly<Record<string, AnyQuery<State>>> = NoCalls, Notice = never, Previous = never>(definition: MachineDefinition<Name, State, Commands, Queries, Notice, Previous>): Machine<Name, State, Commands, Queries, Notice>;
/** Whether this was made by `defineMachine`. */
export declare function isMachine(value: unknown): value is AnyMachine;
