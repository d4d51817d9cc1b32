/**
 * `viewstamp status`: what every node says of itself, and what that means for the cluster.
 * @module
 */

import { webSocket } from "../../../transports/websocket.ts";
import { clusterStatus, type StatusAnswer } from "../../client/admin.ts";
import { MAX_TIMEOUT_MS } from "../../client/options.ts";
import { systemEnvironment } from "../environment.ts";
import type { Arguments } from "./arguments.ts";
import { parseClusterList } from "./cluster-list.ts";
import { type Command, clusterOption } from "./command.ts";
import { exitCode } from "./exit-codes.ts";
import { type NodeAnswer, reportLines, reportOf } from "./status-report.ts";
import type { Terminal } from "./terminal.ts";

export const status: Command = {
  name: "status",
  summary: "Show the view, the primary, and each node's role, place in the log and runtime",
  positionals: [],
  options: {
    cluster: clusterOption,
    "timeout-ms": { type: "string", value: "MS", help: "wait so long for each node (default 2000)" },
    json: { type: "boolean", help: "as one JSON object" },
  },
  details: ["The exit code is 0 when any node answered, also if the cluster is not serving; 3 when none did."],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const listed = parseClusterList(args.text("cluster"));
  const timeoutMs = args.number("timeout-ms", 2000, 1, MAX_TIMEOUT_MS);
  const named = new Map(listed.map(({ id, url }) => [url, id]));
  const given = await ask([...named.keys()], timeoutMs);
  const heardOf = knownNodes(given).filter(({ url }) => !named.has(url));
  const more = await ask([...new Set(heardOf.map(({ url }) => url))], timeoutMs);
  for (const { id, url } of knownNodes(given)) named.set(url, id);
  const report = reportOf([...given, ...more].map((answer) => nodeAnswer(answer, named)));
  if (args.has("json")) terminal.data(JSON.stringify(report));
  else for (const line of reportLines(report, terminal.dataStyle)) terminal.data(line);
  return report.nodes.some((node) => node.status !== undefined) ? exitCode.ok : exitCode.unreachable;
}

async function ask(urls: readonly string[], timeoutMs: number): Promise<StatusAnswer[]> {
  return urls.length === 0 ? [] : clusterStatus(urls, systemEnvironment, webSocket(), timeoutMs);
}

/** Nodes that the answers tell of, which the user may not have named. */
function knownNodes(answers: readonly StatusAnswer[]): readonly { readonly id: string; readonly url: string }[] {
  return answers.flatMap(({ status }) =>
    status === undefined ? [] : [...status.acceptors, ...status.members, ...status.invited],
  );
}

function nodeAnswer({ url, status, error }: StatusAnswer, named: ReadonlyMap<string, string | undefined>): NodeAnswer {
  const trouble = troubleOf(error);
  const reason = error === undefined || error.message === trouble ? "" : error.message;
  return { url, id: status?.id ?? named.get(url), status, trouble, reason };
}

function troubleOf(error: StatusAnswer["error"]): string {
  if (error === undefined) return "";
  if (error.code === "NoQuorum") return "unreachable";
  return error.code === "Timeout" ? "no answer" : error.message;
}
