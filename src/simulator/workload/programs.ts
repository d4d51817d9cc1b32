/**
 * The programs of a rolling upgrade: with each, some machines go on by one version.
 * @module
 */
import { chainOf } from "../../machine/chain.ts";
import type { AnyMachine } from "../../machine/definition.ts";

/** The oldest program first; the last has the machines as they were given. */
export function programsOf(machines: AnyMachine | readonly AnyMachine[]): readonly (readonly AnyMachine[])[] {
  const chains = [machines].flat().map((machine) => chainOf(machine) as unknown as readonly AnyMachine[]);
  const length = Math.max(...chains.map((chain) => chain.length));
  return Array.from({ length }, (_, program) =>
    chains.map((chain) => chain[Math.max(0, program - (length - chain.length))] as AnyMachine),
  );
}
