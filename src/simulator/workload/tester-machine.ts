/**
 * The machine that simulated clients call: registers for the linearizability checker, and tallies that say from inside how
 * often each command was executed.
 * @module
 */
import * as v from "valibot";
import { command, defineMachine, query } from "../../machine/define.ts";
import type { Command, Machine, Query } from "../../machine/definition.ts";

export interface TesterState {
  readonly registers: Map<string, string>;
  readonly tallies: Map<string, number>;
  /** How often each command was executed, by its op number. */
  readonly done: Map<number, number>;
}

interface Put {
  readonly op: number;
  readonly key: string;
  readonly value: string;
}

interface CompareAndSet {
  readonly op: number;
  readonly key: string;
  readonly from: string | null;
  readonly to: string;
}

interface Add {
  readonly op: number;
  readonly name: string;
  readonly by: number;
}

/** `times`: how often this command was executed, this time included. */
interface Did {
  readonly times: number;
}

export type TesterCommands = {
  readonly put: Command<TesterState, Put, Did & { readonly found: string | null }>;
  readonly cas: Command<TesterState, CompareAndSet, Did & { readonly done: boolean; readonly found: string | null }>;
  readonly add: Command<TesterState, Add, Did & { readonly total: number }>;
};

export type TesterQueries = {
  readonly get: Query<TesterState, string, string | null>;
  readonly total: Query<TesterState, string, number>;
  /** Of these commands, those that were not executed. */
  readonly missing: Query<TesterState, number[], number[]>;
  /** All commands that were executed more than once. */
  readonly repeated: Query<TesterState, null, number[]>;
};

function count(state: TesterState, op: number): number {
  const times = (state.done.get(op) ?? 0) + 1;
  state.done.set(op, times);
  return times;
}

export const tester: Machine<"tester", TesterState, TesterCommands, TesterQueries> = defineMachine({
  name: "tester",
  version: 1,
  init: (): TesterState => ({ registers: new Map(), tallies: new Map(), done: new Map() }),
  commands: {
    put: command(v.object({ op: v.number(), key: v.string(), value: v.string() }), (state: TesterState, input) => {
      const found = state.registers.get(input.key) ?? null;
      state.registers.set(input.key, input.value);
      return { times: count(state, input.op), found };
    }),
    cas: command(
      v.object({ op: v.number(), key: v.string(), from: v.nullable(v.string()), to: v.string() }),
      (state: TesterState, { op, key, from, to }) => {
        const found = state.registers.get(key) ?? null;
        const done = found === from;
        if (done) state.registers.set(key, to);
        return { times: count(state, op), done, found };
      },
    ),
    add: command(v.object({ op: v.number(), name: v.string(), by: v.number() }), (state: TesterState, input) => {
      const total = (state.tallies.get(input.name) ?? 0) + input.by;
      state.tallies.set(input.name, total);
      return { times: count(state, input.op), total };
    }),
  },
  queries: {
    get: query(v.string(), (state: TesterState, key) => state.registers.get(key) ?? null),
    total: query(v.string(), (state: TesterState, name) => state.tallies.get(name) ?? 0),
    missing: query(v.array(v.number()), (state: TesterState, ops) => ops.filter((op) => !state.done.has(op))),
    repeated: query(v.null(), (state: TesterState) =>
      [...state.done].filter(([, times]) => times > 1).map(([op]) => op),
    ),
  },
});
