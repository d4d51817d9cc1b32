/**
 * The machine that simulated clients call: registers for the linearizability checker, and tallies that say from inside how
 * often each command was executed.
 * @module
 */
import * as v from "valibot";
import { command, defineMachine, query } from "../../machine/define.ts";
import type { Command, Machine, Query } from "../../machine/definition.ts";

export interface TesterState {
  /** Of the machine whose state this is. */
  readonly version: number;
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

/** Looked at by hand: a schema of the same takes ten times as long, on every replica. */
const PUT = checkedBy<Put>(({ op, key, value }) => isOp(op) && typeof key === "string" && typeof value === "string");
const CAS = checkedBy<CompareAndSet>(
  ({ op, key, from, to }) =>
    isOp(op) && typeof key === "string" && (from === null || typeof from === "string") && typeof to === "string",
);
const ADD = checkedBy<Add>(({ op, name, by }) => isOp(op) && typeof name === "string" && typeof by === "number");

function checkedBy<T>(isOne: (input: Readonly<Record<keyof T, unknown>>) => boolean): v.GenericSchema<T> {
  return v.custom<T>(
    (input) => typeof input === "object" && input !== null && isOne(input as Readonly<Record<keyof T, unknown>>),
  );
}

function isOp(op: unknown): op is number {
  return typeof op === "number";
}

/** `times`: how often this command was executed, this time included. `version`: by which machine, from the second on. */
interface Did {
  readonly times: number;
  readonly version?: number;
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

export type Tester = Machine<"tester", TesterState, TesterCommands, TesterQueries>;

const known: Map<number, Tester> = new Map();

/**
 * The tester of this version, with all those before it. From version 2 on replies say their version, so that what another
 * version executes gives another hash; and no version executes anything on the state of another.
 */
export function testerOf(version: number): Tester {
  let machine = known.get(version);
  if (machine === undefined) known.set(version, (machine = makeTester(version)));
  return machine;
}

function makeTester(version: number): Tester {
  const previous = version === 1 ? undefined : testerOf(version - 1);
  const done = (state: TesterState, op: number): Did => {
    if (state.version !== version) throw new Error(`version ${version} is given the state of version ${state.version}`);
    const times = (state.done.get(op) ?? 0) + 1;
    state.done.set(op, times);
    return version === 1 ? { times } : { times, version };
  };
  return defineMachine({
    name: "tester",
    version,
    ...(previous && { previous, migrate: (state: TesterState): TesterState => ({ ...state, version }) }),
    init: (): TesterState => ({ version, registers: new Map(), tallies: new Map(), done: new Map() }),
    commands: {
      put: command(PUT, (state: TesterState, input) => {
        const found = state.registers.get(input.key) ?? null;
        state.registers.set(input.key, input.value);
        return { ...done(state, input.op), found };
      }),
      cas: command(CAS, (state: TesterState, { op, key, from, to }) => {
        const found = state.registers.get(key) ?? null;
        if (found === from) state.registers.set(key, to);
        return { ...done(state, op), done: found === from, found };
      }),
      add: command(ADD, (state: TesterState, input) => {
        const total = (state.tallies.get(input.name) ?? 0) + input.by;
        state.tallies.set(input.name, total);
        return { ...done(state, input.op), total };
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
}

export const tester: Tester = testerOf(1);
