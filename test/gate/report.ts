// Counts tests and prints one line for each thing that ran.
import type { Outcome } from "./process.ts";

export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  /** Empty when all is well. */
  readonly reason: string;
}

/** A command that is one test by itself. */
export function judgeCommand(outcome: Outcome): Verdict {
  const reason = failureOf(outcome);
  return reason === "" ? { passed: 1, failed: 0, reason } : { passed: 0, failed: 1, reason };
}

/**
 * A uvu program. Its exit code alone proves nothing: it is 0 when a hook throws, when a test throws
 * something that is no Error, and when nobody called `run()`.
 */
export function judgeSuite(outcome: Outcome): Verdict {
  const total = lastCount(outcome.output, "Total");
  const passed = lastCount(outcome.output, "Passed");
  let reason = failureOf(outcome);
  if (reason === "" && total === 0) reason = "ran no test";
  if (reason === "" && passed !== total) reason = `${passed} of ${total} passed, yet exit code 0`;
  if (reason === "") return { passed, failed: 0, reason };
  return { passed, failed: Math.max(1, total - passed), reason };
}

function failureOf(outcome: Outcome): string {
  if (outcome.timedOut) return `killed after ${Math.round(outcome.elapsedMs)} ms`;
  if (outcome.signal !== null) return `ended by ${outcome.signal}`;
  if (outcome.code !== 0) return `exit code ${outcome.code}`;
  if (outcome.strays > 0) return `left ${outcome.strays} processes behind`;
  return "";
}

function lastCount(output: string, label: string): number {
  const lines = [...output.matchAll(new RegExp(`^ +${label}: +(\\d+)`, "gm"))];
  return Number(lines.at(-1)?.[1] ?? 0);
}

export class Report {
  passed = 0;
  failed = 0;
  readonly #failures: string[] = [];

  add(name: string, outcome: Outcome, verdict: Verdict): void {
    this.passed += verdict.passed;
    this.failed += verdict.failed;
    const counts = `${verdict.passed}/${verdict.passed + verdict.failed}`;
    const line = `${name}  ${counts}  ${Math.round(outcome.elapsedMs)} ms`;
    if (verdict.failed === 0) {
      console.log(`ok    ${line}`);
      return;
    }
    this.#failures.push(`${name}: ${verdict.reason}`);
    console.log(`FAIL  ${line}  ${verdict.reason}`);
    console.log(outcome.output.trimEnd().replace(/^/gm, "      | "));
  }

  skip(name: string, reason: string): void {
    console.log(`skip  ${name}: ${reason}`);
  }

  /** Prints what failed and the counts; the counts are the last line. */
  close(): void {
    for (const failure of this.#failures) console.log(`failed: ${failure}`);
    console.log(`${this.passed} passed, ${this.failed} failed`);
  }
}
