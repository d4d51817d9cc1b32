// A machine in two versions: the second keeps its state in another shape, has a command more, and says that it is another.
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import type { Command, Machine, Query } from "../../src/machine/definition.ts";

type First = Map<string, number>;
type Second = { readonly sums: Map<string, number>; readonly log: string[] };
type Put = { readonly name: string; readonly by: number };
type Total = { readonly total: number; readonly version: number };

const put = v.strictObject({ name: v.string(), by: v.number() });

function add(sums: Map<string, number>, { name, by }: Put): number {
  const total = (sums.get(name) ?? 0) + by;
  sums.set(name, total);
  return total;
}

export const basket1: Machine<
  "basket",
  First,
  { readonly put: Command<First, Put, Total> },
  { readonly total: Query<First, string, number> }
> = defineMachine({
  name: "basket",
  version: 1,
  init: (): First => new Map(),
  commands: { put: command(put, (state: First, input) => ({ total: add(state, input), version: 1 })) },
  queries: { total: query(v.string(), (state: First, name) => state.get(name) ?? 0) },
});

export const basket2: Machine<
  "basket",
  Second,
  { readonly put: Command<Second, Put, Total>; readonly empty: Command<Second, string, number> },
  { readonly total: Query<Second, string, number> }
> = defineMachine({
  name: "basket",
  version: 2,
  previous: basket1,
  migrate: (state: First): Second => ({ sums: state, log: ["migrated"] }),
  init: (): Second => ({ sums: new Map(), log: [] }),
  commands: {
    put: command(put, (state: Second, input) => ({ total: add(state.sums, input), version: 2 })),
    empty: command(v.string(), (state: Second, name) => {
      const had = state.sums.get(name) ?? 0;
      state.sums.delete(name);
      return had;
    }),
  },
  queries: { total: query(v.string(), (state: Second, name) => state.sums.get(name) ?? 0) },
});
