/**
 * Runs a bundled simulator in processes of its own: a mutant may hang, or take its process with it.
 * @module
 */
import { spawn } from "node:child_process";
import type { Failure, Totals } from "../../../src/simulator/campaign.ts";
import type { PlanWishes } from "../../../src/simulator/plan.ts";
import { wishArguments } from "../options.ts";

/** The options of a batch of seeds. */
export interface Batch {
  readonly bundle: string;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly wishes: PlanWishes;
}

export type BatchResult =
  | { readonly kind: "clean" }
  /** The batch ended at this seed. */
  | { readonly kind: "failed"; readonly failure: Failure }
  /** The program ended without a verdict, or did not end. */
  | { readonly kind: "broke"; readonly text: string };

/** A seed takes a fraction of a second; this long only if the code spins. */
const MOST_MS_PER_BATCH = 180_000;

export function runBatch({ bundle, firstSeed, seeds, wishes }: Batch): Promise<BatchResult> {
  const options = [`--seed=${firstSeed}`, `--seeds=${seeds}`, ...wishArguments(wishes)];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bundle, ...options], { stdio: ["ignore", "pipe", "pipe"] });
    const late = setTimeout(() => child.kill("SIGKILL"), MOST_MS_PER_BATCH);
    let output = "";
    let complaint = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.stderr.on("data", (chunk) => (complaint = `${complaint}${String(chunk)}`.slice(0, 2000)));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(late);
      resolve(resultOf(output, complaint || `ended with ${signal ?? code}`));
    });
  });
}

function resultOf(output: string, complaint: string): BatchResult {
  let totals: Totals;
  try {
    totals = JSON.parse(output) as Totals;
  } catch {
    return { kind: "broke", text: complaint };
  }
  const [failure] = totals.failures;
  return failure === undefined ? { kind: "clean" } : { kind: "failed", failure };
}
