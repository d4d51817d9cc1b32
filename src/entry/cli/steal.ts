/**
 * `viewstamp steal NAME`: takes a lock from whoever holds it, and gives it to the next in line.
 * @module
 */
import { MAX_TIMEOUT_MS } from "../../client/options.ts";
import { connectLocks, type LockInfo } from "../locks.ts";
import { type Command, clusterOption, DEFAULT_TIMEOUT_MS, timeoutOption } from "./command.ts";
import { exitCode } from "./exit-codes.ts";
import { clusterOf } from "./lock-options.ts";
import { holderText, plain } from "./locks-report.ts";

export const steal: Command = {
  name: "steal",
  summary: "Take a lock from whoever holds it, so that the next in line gets it",
  positionals: ["NAME"],
  options: {
    cluster: clusterOption,
    "timeout-ms": timeoutOption,
    json: { type: "boolean", help: "as one JSON object, tokens as strings" },
  },
  details: [
    "The robbed holder is told, but may still act for a moment: only fencing tokens stop it.",
    "Prints who was robbed. Exit code 5: nobody held the lock.",
  ],
  run: async (args, terminal) => {
    const [name = ""] = args.positionals;
    const timeoutMs = args.number("timeout-ms", DEFAULT_TIMEOUT_MS, 1, MAX_TIMEOUT_MS);
    await using locks = await connectLocks({ cluster: clusterOf(args), owner: "viewstamp steal", timeoutMs });
    const isIt = (one: LockInfo): boolean => one.name === name && one.permits === undefined;
    const held = (await locks.query({ timeoutMs })).held.filter(isIt);
    if (held.length === 0) {
      terminal.message(`viewstamp: nobody holds ${JSON.stringify(name)}`);
      return exitCode.notFound;
    }
    const lock = await locks.acquire(name, { steal: true, timeoutMs });
    await lock.release();
    if (args.has("json")) terminal.data(JSON.stringify({ name, robbed: held.map(plain) }));
    else for (const one of held) terminal.data(holderText(one));
    return exitCode.ok;
  },
};
