/**
 * `viewstamp elect NAME -- COMMAND`: runs a command while this process leads, and again after each loss.
 * @module
 */
import type { Election } from "../locks.ts";
import type { Arguments } from "./arguments.ts";
import { runChild, signalCode } from "./child.ts";
import { type Command, clusterOption } from "./command.ts";
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
} from "./lock-options.ts";
import { tellOfWait } from "./lock-wait.ts";
import type { Terminal } from "./terminal.ts";

export const elect: Command = {
  name: "elect",
  summary: "Stand for election, and run a command while elected",
  positionals: ["NAME"],
  takesCommand: true,
  options: {
    cluster: clusterOption,
    "max-hold-ms": maxHoldOption,
    "lock-delay-ms": lockDelayOption,
    owner: ownerOption,
    "ttl-ms": ttlOption,
    "grace-ms": graceOption,
  },
  details: [
    "The command finds its term, a fencing token, in VIEWSTAMP_TERM and the name in VIEWSTAMP_ELECTION.",
    "If the leadership is lost, the command gets SIGTERM, then SIGKILL, and this program stands for election again.",
    "When the command ends by itself so does this program, with its exit code; another can be elected then.",
    "SIGTERM, SIGINT and SIGHUP are passed on to the command.",
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const limits = limitsOf(args);
  const graceMs = graceOf(args);
  const locks = await connectAsHolder(args);
  try {
    const election = locks.elect(args.positionals[0]!, limits);
    const wait = (): (() => void) => tellOfWait(locks, [election.name], terminal);
    return await lead(election, wait, args.command, graceMs, terminal);
  } finally {
    await locks.close();
  }
}

async function lead(
  election: Election,
  wait: () => () => void,
  command: readonly string[],
  graceMs: number,
  terminal: Terminal,
): Promise<number> {
  let isRunning = false;
  let ended: NodeJS.Signals | null = null;
  const stopWatching = onEndSignal((signal) => {
    // A running command gets the signal itself, and ends the program by its end; SIGHUP may mean to it what it likes.
    if (isRunning && signal === "SIGHUP") return;
    ended = signal;
    if (!isRunning) void election.close();
  });
  let waitIsOver = wait();
  try {
    for await (const { term, signal } of election) {
      isRunning = true;
      waitIsOver();
      terminal.message(`viewstamp: elected as the leader of "${election.name}", term ${term}`);
      const env = { VIEWSTAMP_ELECTION: election.name, VIEWSTAMP_TERM: String(term) };
      const outcome = await runChild(command, { env, signal, graceMs });
      isRunning = false;
      if (outcome.trouble !== "") terminal.message(`viewstamp: cannot run ${command[0]}: ${outcome.trouble}`);
      if (outcome.trouble !== "" || !signal.aborted) return outcome.code;
      terminal.message(lossText(`the leadership of "${election.name}"`, signal));
      if (ended !== null) break;
      waitIsOver = wait();
    }
    return signalCode(ended);
  } finally {
    waitIsOver();
    stopWatching();
  }
}
