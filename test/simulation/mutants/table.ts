/**
 * All mutants, by layer. Every row of mutants.md is among them.
 * @module
 */
import type { Mutant } from "./mutant.ts";
import { CACHE_MUTANTS } from "./table-cache.ts";
import { CLIENT_MUTANTS } from "./table-client.ts";
import { CONFIG_MUTANTS } from "./table-config.ts";
import { COPY_MUTANTS } from "./table-copies.ts";
import { FOUND_MUTANTS } from "./table-found.ts";
import { HAND_MUTANTS } from "./table-hands.ts";
import { LOCK_MUTANTS } from "./table-locks.ts";
import { MACHINE_MUTANTS } from "./table-machines.ts";
import { PAXOS_MUTANTS } from "./table-paxos.ts";
import { RSM_MUTANTS } from "./table-rsm.ts";
import { SERVING_MUTANTS } from "./table-serving.ts";
import { STORAGE_MUTANTS } from "./table-storage.ts";
import { TOGETHER_MUTANTS } from "./table-together.ts";
import { UPGRADE_MUTANTS } from "./table-upgrade.ts";
import { VIEW_MUTANTS } from "./table-views.ts";

export const MUTANTS: readonly Mutant[] = [
  ...PAXOS_MUTANTS,
  ...CONFIG_MUTANTS,
  ...RSM_MUTANTS,
  ...SERVING_MUTANTS,
  ...STORAGE_MUTANTS,
  ...CLIENT_MUTANTS,
  ...LOCK_MUTANTS,
  ...UPGRADE_MUTANTS,
  ...CACHE_MUTANTS,
  ...TOGETHER_MUTANTS,
  ...COPY_MUTANTS,
  ...FOUND_MUTANTS,
  ...VIEW_MUTANTS,
  ...HAND_MUTANTS,
  ...MACHINE_MUTANTS,
];
