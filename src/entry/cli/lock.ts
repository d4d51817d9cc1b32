/**
 * `viewstamp lock NAME -- COMMAND`: runs a command while a lock is held.
 * @module
 */
import { titled } from "../../locks/client-errors.ts";
import type { AcquiredLocks, ClusterLocks, GroupOptions } from "../locks.ts";
import type { Arguments } from "./arguments.ts";
import { runChild, signalCode } from "./child.ts";
import { type Command, clusterOption } from "./command.ts";
import { exitCode, UsageError } from "./exit-codes.ts";
import {
  connectAsHolder,
  graceOf,
  graceOption,
  limitsOf,
  lockDelayOption,
  lossText,
  maxHoldOption,
  onEndSignal,
  ownerOption,
  ttlOption,
  waitOf,
} from "./lock-options.ts";
import { tellOfWait } from "./lock-wait.ts";
import type { Terminal } from "./terminal.ts";

export const lock: Command = {
  name: "lock",
  summary: "Run a command while a lock is held, or several",
  positionals: ["NAME", "[NAME …]"],
  takesCommand: true,
  options: {
    cluster: clusterOption,
    shared: { type: "boolean", help: "together with other shared holders; not with --lock-delay-ms" },
    "if-available": { type: "boolean", help: "do not wait: exit code 8 if it is held or others wait for it" },
    "timeout-ms": { type: "string", value: "MS", help: "wait so long for the lock (default: for ever)" },
    "max-hold-ms": maxHoldOption,
    "lock-delay-ms": lockDelayOption,
    owner: ownerOption,
    "ttl-ms": ttlOption,
    "grace-ms": graceOption,
  },
  details: [
    "A wait of more than two seconds is told on standard error, with who holds the lock.",
    "--if-available asks a client that may keep the lock unused; if that is dead, until its session ends. --timeout-ms",
    "bounds that, too (exit code 3).",
    "Several locks are granted in one step: no deadlock, in whatever order programs name them.",
    "The command finds the fencing token in VIEWSTAMP_TOKEN and the name in VIEWSTAMP_LOCK, of several those of the",
    "first; VIEWSTAMP_TOKENS has all, as a JSON object with a string for each name. A resource that refuses smaller",
    "tokens than it has seen is safe also from a command that was stopped too late.",
    "If a lock is lost, the command gets SIGTERM, then SIGKILL, and the exit code is 4. Away from a terminal",
    "so does all that it has started; at one, have a script pass on what it gets, or run its last command by exec.",
    "Else the exit code is the command's own; SIGTERM, SIGINT and SIGHUP are passed on to it.",
    "If this program itself is killed with SIGKILL the command goes on, and only the token protects from it.",
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const { positionals: names, command } = args;
  const options = optionsOf(args);
  const graceMs = graceOf(args);
  const locks = await connectAsHolder(args, options.timeoutMs);
  try {
    const held = await waitFor(locks, names, options, terminal);
    if (typeof held === "number") return held;
    if (held !== null) return await runHolding(held, command, graceMs, terminal);
    terminal.message(`viewstamp: ${titled(names)} is held, or others wait for it`);
    return exitCode.notAvailable;
  } finally {
    await locks.close();
  }
}

/** @throws {UsageError} before anything is asked for */
function optionsOf(args: Arguments): GroupOptions {
  const limits = limitsOf(args);
  if (args.has("shared") && limits.lockDelayMs > 0)
    throw new UsageError("--lock-delay-ms and --shared exclude each other");
  return {
    mode: args.has("shared") ? "shared" : "exclusive",
    ifAvailable: args.has("if-available"),
    ...limits,
    ...(args.has("timeout-ms") && { timeoutMs: waitOf(args, "timeout-ms") }),
  };
}

/** The locks, or the exit code of a wait that a signal ended: whoever is behind in the line must not wait for us. */
async function waitFor(
  locks: ClusterLocks,
  names: readonly string[],
  options: GroupOptions,
  terminal: Terminal,
): Promise<AcquiredLocks | null | number> {
  let ended: NodeJS.Signals | undefined;
  const waitIsOver = tellOfWait(locks, names, terminal);
  const stopWatching = onEndSignal((signal) => {
    ended = signal;
    void locks.close();
  });
  try {
    const held = await locks.acquireAll(names, options);
    return ended === undefined ? held : signalCode(ended);
  } catch (error) {
    if (ended === undefined) throw error;
    return signalCode(ended);
  } finally {
    waitIsOver();
    stopWatching();
  }
}

async function runHolding(
  held: AcquiredLocks,
  command: readonly string[],
  graceMs: number,
  terminal: Terminal,
): Promise<number> {
  const outcome = await runChild(command, { env: environmentOf(held), signal: held.signal, graceMs });
  // Anew: whoever asks after a sleep of the machine has the clocks looked at.
  const { signal } = held;
  if (outcome.trouble !== "") terminal.message(`viewstamp: cannot run ${command[0]}: ${outcome.trouble}`);
  if (signal.aborted) {
    terminal.message(lossText(titled(held.names), signal));
    return exitCode.lockLost;
  }
  await held.release();
  return outcome.code;
}

function environmentOf({ locks }: AcquiredLocks): Readonly<Record<string, string>> {
  const tokens = locks.map(({ name, token }) => [name, String(token)] as const);
  const [[name, token] = ["", ""]] = tokens;
  return {
    VIEWSTAMP_LOCK: name,
    VIEWSTAMP_TOKEN: token,
    VIEWSTAMP_TOKENS: JSON.stringify(Object.fromEntries(tokens)),
  };
}
