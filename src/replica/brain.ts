/**
 * The real core around the real replicated state.
 * @module
 */
import { Core } from "../rsm/core.ts";
import { ReplicatedState } from "../rsm/state.ts";
import type { MakeBrain } from "./contract.ts";

export const realBrain: MakeBrain = (machine) => {
  const state = new ReplicatedState(machine);
  return { restore: (at) => state.restore(at), wake: (start) => new Core({ ...start, state }) };
};
