// A machine that shows whether something was lost or done twice: its sums are exact.
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";

const addition = v.strictObject({ name: v.string(), by: v.number() });

/** Sums by name. */
export const tally = defineMachine({
  name: "tally",
  version: 1,
  init: () => new Map<string, number>(),
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
