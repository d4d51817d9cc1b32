// Exact moments at which a node dies, shared by several scenarios.
import type { Trap } from "../harness/control.ts";

/** One backup has an entry durably, the other never sees it; the primary dies before it learns that the one has it. */
export function reachesOnly(has: string, misses: string): Trap {
  return {
    name: `${misses} misses an entry`,
    at: "before-send",
    message: "invoke",
    withEntries: true,
    peer: misses,
    actions: [{ do: "cut", peer: misses, direction: "out" }],
    next: {
      name: `only ${has} has the entry`,
      at: "received",
      message: "invoked",
      peer: has,
      reachesMark: true,
      actions: [{ do: "kill" }],
    },
  };
}

/** A backup has an entry durably, and dies before it says so. */
export const diesBeforeItsOk: Trap = {
  name: "an entry came",
  at: "received",
  message: "invoke",
  withEntries: true,
  actions: [],
  next: { name: "before its OK", at: "before-send", message: "invoked", reachesMark: true, actions: [{ do: "kill" }] },
};
