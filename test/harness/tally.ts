// A machine that shows whether something was lost or done twice: its sums are exact.
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import type { Command, Machine, Query } from "../../src/machine/definition.ts";

type Sums = Map<string, number>;
type Addition = { readonly name: string; readonly by: number };
type TallyCommands = { readonly add: Command<Sums, Addition, number> };
type TallyQueries = { readonly sum: Query<Sums, string, number> };

const addition = v.strictObject({ name: v.string(), by: v.number() });

/** Sums by name. */
export const tally: Machine<"tally", Sums, TallyCommands, TallyQueries> = defineMachine({
  name: "tally",
  version: 1,
  init: (): Sums => new Map(),
  commands: {
    add: command(addition, (state, { name, by }) => {
      const sum = (state.get(name) ?? 0) + by;
      state.set(name, sum);
      return sum;
    }),
  },
  queries: {
    sum: query(v.string(), (state, name) => state.get(name) ?? 0),
  },
});
