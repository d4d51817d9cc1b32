/**
 * A machine and the versions before it.
 * @module
 */
import type { AnyMachine } from "./definition.ts";
import type { Parts } from "./parts.ts";

/** The oldest version first, the machine itself last. */
export function chainOf(machine: AnyMachine): Parts[] {
  const chain: AnyMachine[] = [];
  for (let one: AnyMachine | undefined = machine; one !== undefined; one = one.previous) chain.unshift(one);
  return chain as unknown as Parts[];
}
