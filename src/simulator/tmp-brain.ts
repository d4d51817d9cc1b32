import type { MakeBrain } from "../replica/contract.ts";
import { Core } from "../rsm/core.ts";
import { ReplicatedState } from "../rsm/state.ts";

export const makeBrain: MakeBrain = (machine) => {
  const state = new ReplicatedState(machine);
  return {
    restore: (...args: unknown[]) => (state.restore as any)(...args),
    wake: (start) => new Core({ ...start, state }) as any,
  };
};
