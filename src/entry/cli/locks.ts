/**
 * `viewstamp locks`: who holds and who waits, once or whenever it changes.
 * @module
 */
import { MAX_TIMEOUT_MS } from "../../client/options.ts";
import { type ClusterLocks, connectLocks, type LockSnapshot, type QueryOptions, ViewstampError } from "../locks.ts";
import type { Arguments } from "./arguments.ts";
import { type Command, clusterOption, DEFAULT_TIMEOUT_MS, timeoutOption } from "./command.ts";
import { exitCode, UsageError } from "./exit-codes.ts";
import { clusterOf, onEndSignal } from "./lock-options.ts";
import { beginningWith, fingerprint, locksJson, locksTable } from "./locks-report.ts";
import type { Terminal } from "./terminal.ts";

export const locks: Command = {
  name: "locks",
  summary: "List who holds and who waits for which lock",
  positionals: ["[PREFIX]"],
  options: {
    cluster: clusterOption,
    "timeout-ms": timeoutOption,
    json: { type: "boolean", help: "as one JSON object, tokens as strings; with --watch one for each change" },
    watch: { type: "boolean", help: "again on each change (at a terminal: each time it looks), until interrupted" },
    "interval-ms": { type: "string", value: "MS", help: "with --watch: look so often (default 1000)" },
  },
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const timeoutMs = args.number("timeout-ms", DEFAULT_TIMEOUT_MS, 1, MAX_TIMEOUT_MS);
  const intervalMs = args.number("interval-ms", 1000, 10, MAX_TIMEOUT_MS);
  if (args.has("interval-ms") && !args.has("watch")) throw new UsageError("--interval-ms goes with --watch");
  await using client = await connectLocks({ cluster: clusterOf(args), timeoutMs });
  if (args.has("watch")) await watch(client, args, { timeoutMs, intervalMs }, terminal);
  else show(await look(client, args, { timeoutMs }), args, terminal);
  return exitCode.ok;
}

async function look(client: ClusterLocks, args: Arguments, options: QueryOptions): Promise<LockSnapshot> {
  return beginningWith(args.positionals[0] ?? "", await client.query(options));
}

function show(snapshot: LockSnapshot, args: Arguments, terminal: Terminal): void {
  const lines = args.has("json") ? [locksJson(snapshot)] : locksTable(snapshot);
  for (const line of lines) terminal.data(line);
}

interface Pace {
  readonly timeoutMs: number;
  readonly intervalMs: number;
}

/**
 * Ends by a signal. A cluster that does not answer is asked again. What is drawn anew shows each look, for ages go on; to what
 * is appended only changes are added.
 */
async function watch(
  client: ClusterLocks,
  args: Arguments,
  { timeoutMs, intervalMs }: Pace,
  terminal: Terminal,
): Promise<void> {
  const interrupted = new AbortController();
  const stopWatching = onEndSignal(() => interrupted.abort());
  const redraws = process.stdout.isTTY === true && !args.has("json");
  try {
    for (let last = ""; !interrupted.signal.aborted; await sleep(intervalMs, interrupted.signal)) {
      try {
        const snapshot = await look(client, args, { signal: interrupted.signal, timeoutMs });
        if (!redraws && fingerprint(snapshot) === last) continue;
        last = fingerprint(snapshot);
        if (redraws) terminal.bytes(new TextEncoder().encode("\x1b[H\x1b[2J"));
        show(snapshot, args, terminal);
      } catch (error) {
        if (interrupted.signal.aborted) return;
        if (!(error instanceof ViewstampError)) throw error;
        terminal.message(`viewstamp: ${error.message}; looking again`);
      }
    }
  } finally {
    stopWatching();
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
