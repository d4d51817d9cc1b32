// The gate itself: what it must not believe, and what it must not leave behind.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Plan, runJobs } from "./plan.ts";
import { type Outcome, runCommand, survivors } from "./process.ts";
import { judgeCommand, judgeSuite, Report } from "./report.ts";

const gate = suite("the gate");
const quiet: Outcome = { code: 0, signal: null, output: "", timedOut: false, elapsedMs: 1, strays: 0 };

function counts(total: number, passed: number): string {
  return `  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   0\n`;
}

gate("believes a suite only when it ran tests and all of them passed", () => {
  assert.equal(judgeSuite({ ...quiet, output: counts(3, 3) }), { passed: 3, failed: 0, reason: "" });
  assert.is(judgeSuite({ ...quiet, output: counts(3, 2) }).failed, 1);
  assert.is(judgeSuite({ ...quiet, output: counts(0, 0) }).failed, 1);
  assert.is(judgeSuite(quiet).failed, 1);
});

gate("does not believe full counts before a bad end", () => {
  const output = counts(3, 3);
  assert.is(judgeSuite({ ...quiet, output, code: 1 }).failed, 1);
  assert.is(judgeSuite({ ...quiet, output, signal: "SIGKILL" }).failed, 1);
  assert.is(judgeSuite({ ...quiet, output, timedOut: true }).failed, 1);
  assert.is(judgeSuite({ ...quiet, output, strays: 1 }).failed, 1);
});

gate("counts the program's own tests, not those of a child that printed its own", () => {
  assert.is(judgeSuite({ ...quiet, output: counts(9, 9) + counts(2, 1) }).failed, 1);
});

gate("takes a command's exit code", () => {
  assert.is(judgeCommand(quiet).passed, 1);
  assert.is(judgeCommand({ ...quiet, code: 2 }).failed, 1);
});

gate("makes its programs as patient as itself", async () => {
  const plan: Plan = { runtimes: [], report: new Report(), match: "", jobs: 1, patience: 3 };
  const command = ["sh", "-c", "echo $VIEWSTAMP_PATIENCE"];
  const [outcome] = await runJobs(plan, [{ name: "patience", command, limitMs: 20_000 }]);
  assert.is(outcome?.output, "3\n");
});

gate("kills a program that hangs, with its children", async () => {
  const outcome = await runCommand(["sh", "-c", "echo $$; sleep 60 & sleep 60"], { limitMs: 3_000 });
  assert.ok(outcome.timedOut);
  assert.ok(outcome.elapsedMs < 20_000);
  assert.is(survivors(Number(outcome.output)), 0);
});

gate("kills what a program leaves behind, and says so", async () => {
  const outcome = await runCommand(["sh", "-c", "echo $$; sleep 60 >/dev/null 2>&1 &"], { limitMs: 20_000 });
  assert.is(outcome.code, 0);
  assert.is(outcome.strays, process.platform === "linux" ? 1 : 0);
  assert.is(survivors(Number(outcome.output)), 0);
});

gate("a program that can't be started is a failure", async () => {
  assert.is(judgeCommand(await runCommand(["/no/such/program"], { limitMs: 1_000 })).failed, 1);
});

gate.run();
