/**
 * `viewstamp put KEY VALUE` and `viewstamp get KEY`: the key-value store from a shell.
 * @module
 */

import { webSocket } from "../../../transports/websocket.ts";
import { MAX_TIMEOUT_MS } from "../../client/options.ts";
import { kv } from "../../machine/kv.ts";
import { connect } from "../client.ts";
import type { Arguments } from "./arguments.ts";
import { parseClusterList } from "./cluster-list.ts";
import { type Command, clusterOption, DEFAULT_TIMEOUT_MS, timeoutOption } from "./command.ts";
import { exitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

const json = { type: "boolean", help: "as one JSON object, bytes in base64" } as const;

export const put: Command = {
  name: "put",
  summary: "Set a key to a text, and print the version it has now",
  positionals: ["KEY", "VALUE"],
  options: { cluster: clusterOption, "timeout-ms": timeoutOption, json },
  details: ["What begins with a dash stands last, after --, as in: put --cluster LIST -- -key -5"],
  run: async (args, terminal) => {
    const [key = "", value = ""] = args.positionals;
    await using client = await connectFor(args);
    const { version } = await client.put({ key, value }, limitOf(args));
    terminal.data(args.has("json") ? JSON.stringify({ key, version }) : String(version));
    return exitCode.ok;
  },
};

export const get: Command = {
  name: "get",
  summary: "Print the value of a key",
  positionals: ["KEY"],
  options: {
    cluster: clusterOption,
    "timeout-ms": timeoutOption,
    local: { type: "boolean", help: "from any replica, which may lag" },
    json,
  },
  run: async (args, terminal) => {
    const [key = ""] = args.positionals;
    await using client = await connectFor(args);
    const consistency = args.has("local") ? "local" : "linearizable";
    const found = await client.get(key, { ...limitOf(args), consistency });
    if (found === undefined) {
      terminal.message(`viewstamp: there is no key ${JSON.stringify(key)}`);
      return exitCode.notFound;
    }
    if (args.has("json")) terminal.data(JSON.stringify({ key, ...found, value: jsonValue(found.value) }));
    else printValue(found.value, terminal);
    return exitCode.ok;
  },
};

function connectFor(args: Arguments) {
  const cluster = parseClusterList(args.text("cluster")).map(({ url }) => url);
  return connect({ cluster, machine: kv, transport: webSocket(), timeoutMs: limitOf(args).timeoutMs });
}

function limitOf(args: Arguments): { readonly timeoutMs: number } {
  return { timeoutMs: args.number("timeout-ms", DEFAULT_TIMEOUT_MS, 1, MAX_TIMEOUT_MS) };
}

function jsonValue(value: string | Uint8Array): unknown {
  return typeof value === "string" ? value : { base64: Buffer.from(value).toString("base64") };
}

/** Text gets a line end, bytes go out as they are. */
function printValue(value: string | Uint8Array, terminal: Terminal): void {
  if (typeof value === "string") terminal.data(value);
  else terminal.bytes(value);
}
