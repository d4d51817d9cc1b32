/**
 * The machines that `viewstamp serve` runs.
 * @module
 */
import { locks } from "../../locks/machine.ts";
import type { AnyMachine } from "../../machine/definition.ts";
import { kv } from "../../machine/kv.ts";

export const builtInMachines: readonly AnyMachine[] = [locks, kv];
