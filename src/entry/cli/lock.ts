/**
 * `viewstamp lock NAME -- COMMAND`: runs a command while a lock is held.
 * @module
 */
import type { AcquiredLock, LockClient, LockOptions } from "../locks.ts";
import type { Arguments } from "./arguments.ts";
import { runChild, signalCode } from "./child.ts";
import { type Command, clusterOption } from "./command.ts";
import { exitCode } from "./exit-codes.ts";
import { connectAsHolder, graceOf, graceOption, onEndSignal, ownerOption, ttlOption } from "./lock-options.ts";
import type { Terminal } from "./terminal.ts";

export const lock: Command = {
  name: "lock",
  summary: "Run a command while a lock is held",
  positionals: ["NAME"],
  takesCommand: true,
  options: {
    cluster: clusterOption,
    shared: { type: "boolean", help: "together with other shared holders" },
    "timeout-ms": { type: "string", value: "MS", help: "wait so long for the lock (default: for ever)" },
    owner: ownerOption,
    "ttl-ms": ttlOption,
    "grace-ms": graceOption,
  },
  details: [
    "The command finds the fencing token in VIEWSTAMP_TOKEN and the name in VIEWSTAMP_LOCK. A resource that",
    "refuses smaller tokens than it has seen is safe also from a command that was stopped too late.",
    "If the lock is lost, the command gets SIGTERM, then SIGKILL, and the exit code is 4. Away from a terminal",
    "so does all that it has started; at one, have a script pass on what it gets, or run its last command by exec.",
    "Else the exit code is the command's own; SIGTERM, SIGINT and SIGHUP are passed on to it.",
    "If this program itself is killed with SIGKILL the command goes on, and only the token protects from it.",
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const timeoutMs = args.has("timeout-ms") ? args.number("timeout-ms", undefined, 1) : undefined;
  const graceMs = graceOf(args);
  const locks = await connectAsHolder(args, timeoutMs);
  try {
    const held = await waitFor(locks, args.positionals[0]!, {
      mode: args.has("shared") ? "shared" : "exclusive",
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
    return typeof held === "number" ? held : await runHolding(held, args.command, graceMs, terminal);
  } finally {
    await locks.close();
  }
}

type Waiting = Pick<LockOptions, "mode" | "timeoutMs">;

/** The lock, or the exit code of a wait that a signal ended: whoever is behind in the line must not wait for us. */
async function waitFor(locks: LockClient, name: string, options: Waiting): Promise<AcquiredLock | number> {
  const ended = new AbortController();
  const stopWatching = onEndSignal((signal) => ended.abort(signal));
  try {
    return await locks.acquire(name, { ...options, signal: ended.signal });
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    return signalCode(ended.signal.reason as NodeJS.Signals);
  } finally {
    stopWatching();
  }
}

async function runHolding(
  held: AcquiredLock,
  command: readonly string[],
  graceMs: number,
  terminal: Terminal,
): Promise<number> {
  const env = { VIEWSTAMP_LOCK: held.name, VIEWSTAMP_TOKEN: String(held.token) };
  const outcome = await runChild(command, { env, signal: held.signal, graceMs });
  if (outcome.trouble !== "") terminal.message(`viewstamp: cannot run ${command[0]}: ${outcome.trouble}`);
  if (held.signal.aborted) {
    terminal.message(`viewstamp: the lock "${held.name}" was lost; the command was stopped`);
    return exitCode.lockLost;
  }
  await held.release();
  return outcome.code;
}
