/**
 * `viewstamp serve`: runs one node with the built-in machines until it is told to stop.
 * @module
 */

import { webSocket } from "../../../transports/websocket.ts";
import { clusterStatus } from "../../client/admin.ts";
import type { Storage } from "../../protocol/storage.ts";
import { fileStorage } from "../../storage/file.ts";
import { memoryStorage } from "../../storage/memory.ts";
import { systemEnvironment } from "../environment.ts";
import { type Replica, startReplica } from "../replica.ts";
import type { Arguments } from "./arguments.ts";
import { builtInMachines } from "./built-in.ts";
import { checkedAddress, parseNamedCluster } from "./cluster-list.ts";
import type { Command } from "./command.ts";
import { coreOptionSpecs, coreOptionsOf } from "./core-options.ts";
import { exitCode, exitCodeOf, UsageError } from "./exit-codes.ts";
import { teller, tellStory } from "./facts.ts";
import type { Terminal } from "./terminal.ts";

export const serve: Command = {
  name: "serve",
  summary: "Run one node with the built-in machines (locks and kv) until SIGTERM or SIGINT",
  positionals: [],
  options: {
    id: { type: "string", value: "ID", required: true, help: "this node's name" },
    cluster: {
      type: "string",
      value: "LIST",
      required: true,
      help: "every node of the cluster: a=ws://host:7001,b=…,c=…",
    },
    data: { type: "string", value: "DIR", help: "keep the data here; one node per directory" },
    memory: { type: "boolean", help: "keep the data in memory: a stopped node comes back empty" },
    listen: { type: "string", value: "URL", help: "take connections here (default: this node's address in --cluster)" },
    advertise: { type: "string", value: "URL", help: "where others reach this node (default: the same)" },
    json: { type: "boolean", help: "write one line of JSON to standard output for each thing that happens" },
    "with-parent": { type: "boolean", help: "stop also when standard input ends" },
    ...coreOptionSpecs,
  },
  details: [
    "The first SIGTERM or SIGINT hands over and stops; a second one stops at once.",
    "A fresh cluster starts once every node in --cluster has been seen.",
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const id = args.text("id");
  const cluster = parseNamedCluster(args.text("cluster"));
  const isJson = args.has("json");
  const replica = await startReplica({
    id,
    cluster,
    listen: listenAddress(args, id, cluster),
    ...(args.has("advertise") && { advertise: checkedAddress(args.text("advertise"), "--advertise") }),
    machines: builtInMachines,
    storage: storageFor(args),
    transport: webSocket(),
    ...coreOptionsOf(args),
    observer: teller(id, isJson, terminal),
  });
  const patience = isJson
    ? undefined
    : setTimeout(() => void tellWhoIsMissing(replica, cluster, terminal), PATIENCE_MS);
  return await Promise.race([endOf(replica), secondSignal(replica, args.has("with-parent"))]).finally(() =>
    clearTimeout(patience),
  );
}

/** So long a fresh cluster may take to come together before anyone wonders. */
const PATIENCE_MS = 3000;

/** A fresh node would else wait for the others without a word. */
async function tellWhoIsMissing(
  replica: Replica,
  cluster: Readonly<Record<string, string>>,
  terminal: Terminal,
): Promise<void> {
  const all = Object.entries(cluster);
  const answers = await clusterStatus(cluster, systemEnvironment, webSocket());
  const hasBegun = answers.some(({ status }) => status !== undefined && (status.vid > 0 || status.trouble !== ""));
  const missing = all.filter(
    ([id, url]) => id !== replica.id && answers.some((one) => one.url === url && one.status === undefined),
  );
  if (hasBegun || missing.length === 0) return;
  const names = missing.map(([id, url]) => `${id} (${url})`).join(" and ");
  const story = `waits for ${names}: a fresh cluster begins once every node of it runs`;
  tellStory(replica.id, terminal.messageStyle.yellow(story), terminal);
}

/** What stopped it has been told as an event. */
async function endOf(replica: Replica): Promise<number> {
  const error = await replica.stopped;
  return error === undefined ? exitCode.ok : exitCodeOf(error);
}

function listenAddress(args: Arguments, id: string, cluster: Readonly<Record<string, string>>): string {
  const own = Object.hasOwn(cluster, id) ? cluster[id] : undefined;
  if (own === undefined && !args.has("listen"))
    throw new UsageError(`--cluster has no node "${id}": name it there, or give --listen for a node added later`);
  return checkedAddress(args.text("listen", own), "--listen");
}

function storageFor(args: Arguments): Storage {
  if (args.has("memory") === args.has("data")) throw new UsageError("give either --data DIR or --memory");
  return args.has("memory") ? memoryStorage() : fileStorage(args.text("data"));
}

/** The first signal stops the replica in good order; resolves at the second. */
function secondSignal(replica: Replica, withParent: boolean): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) return resolve(exitCode.failed);
      asked = true;
      void replica.stop();
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    if (!withParent) return;
    process.stdin.on("end", stop);
    process.stdin.resume();
  });
}
