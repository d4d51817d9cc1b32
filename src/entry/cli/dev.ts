/**
 * `viewstamp dev`: a whole cluster in one process, over real sockets, to try things out on one machine.
 * @module
 */
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { webSocket } from "../../../transports/websocket.ts";
import type { ViewstampError } from "../../protocol/errors.ts";
import type { NodeId } from "../../protocol/view.ts";
import { launch, type Replica } from "../../replica/replica.ts";
import { fileStorage } from "../../storage/file.ts";
import { memoryStorage } from "../../storage/memory.ts";
import { setupOf } from "../replica-setup.ts";
import type { Arguments } from "./arguments.ts";
import { builtInMachines } from "./built-in.ts";
import type { Command } from "./command.ts";
import { exitCode, exitCodeOf, UsageError } from "./exit-codes.ts";
import { teller } from "./facts.ts";
import { onInterruption } from "./interruption.ts";
import type { Terminal } from "./terminal.ts";

const MAX_NODES = 9;

export const dev: Command = {
  name: "dev",
  summary: "Run a whole cluster in one process on this machine, to try things out, until SIGTERM or SIGINT",
  positionals: [],
  options: {
    nodes: { type: "string", value: "N", help: `how many, 1 to ${MAX_NODES} (default 3)` },
    port: {
      type: "string",
      value: "N",
      help: "of the first node; the others follow (default 7001); 0: any that are free",
    },
    data: { type: "string", value: "DIR", help: "keep the data in DIR/a, DIR/b, … (default: in memory)" },
    json: { type: "boolean", help: "write one line of JSON to standard output for each thing that happens" },
  },
  details: [
    "Prints what the other commands take after --cluster. The nodes are those of `viewstamp serve`, but one process",
    "survives no crash: for that give each a process, and a machine, of its own.",
    "The first SIGTERM or SIGINT closes the nodes; a second one ends the program at once.",
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const cluster = await clusterOf(args);
  const list = Object.entries(cluster).map((node) => node.join("="));
  const isJson = args.has("json");
  let stopWatching = (): void => {};
  const ended = new Promise<number>((resolve) => {
    stopWatching = onInterruption(() => resolve(exitCode.ok));
  });
  const replicas: Replica[] = [];
  try {
    for (const id of Object.keys(cluster)) replicas.push(await startOne(id, cluster, args, terminal));
    if (!isJson) terminal.data(list.join(","));
    return await Promise.race([ended, ...replicas.map(failureOf)]);
  } finally {
    await Promise.all(replicas.map((replica) => replica.kill()));
    stopWatching();
  }
}

/** @throws {UsageError} */
async function clusterOf(args: Arguments): Promise<Readonly<Record<NodeId, string>>> {
  const nodes = args.number("nodes", 3, 1);
  const port = args.number("port", 7001);
  if (!Number.isInteger(nodes) || nodes > MAX_NODES)
    throw new UsageError(`--nodes must be a whole number from 1 to ${MAX_NODES}, not ${nodes}`);
  if (!Number.isInteger(port) || port + nodes > 65_536)
    throw new UsageError(`--port must leave room for ${nodes} ports up to 65535, not be ${port}`);
  const ids = Array.from({ length: nodes }, (_, index) => String.fromCharCode("a".charCodeAt(0) + index));
  const ports = port === 0 ? await freePorts(nodes) : ids.map((_, index) => port + index);
  return Object.fromEntries(ids.map((id, index) => [id, `ws://127.0.0.1:${ports[index]}`]));
}

/** All are held until the last is found, so that none is given twice. */
async function freePorts(count: number): Promise<number[]> {
  const holders = Array.from({ length: count }, () => createServer());
  await Promise.all(holders.map((holder) => new Promise<void>((held) => holder.listen(0, "127.0.0.1", held))));
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port);
  await Promise.all(holders.map((holder) => new Promise((freed) => holder.close(freed))));
  return ports;
}

function startOne(
  id: NodeId,
  cluster: Readonly<Record<NodeId, string>>,
  args: Arguments,
  terminal: Terminal,
): Promise<Replica> {
  const storage = args.has("data") ? fileStorage(join(args.text("data"), id)) : memoryStorage();
  const observer = teller(id, args.has("json"), terminal);
  return launch(setupOf({ id, cluster, machines: builtInMachines, storage, transport: webSocket(), observer }));
}

/** Resolves only if the replica fails; that it did is told as an event. */
function failureOf({ stopped }: Replica): Promise<number> {
  return new Promise((resolve) => {
    void stopped.then((error: ViewstampError | undefined) => error !== undefined && resolve(exitCodeOf(error)));
  });
}
