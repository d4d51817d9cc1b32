/**
 * `viewstamp members add|remove|lift`: an operator's change of membership.
 * @module
 */

import { webSocket } from "../../../transports/websocket.ts";
import { changeMembership, clusterStatus, type MembershipChange } from "../../client/admin.ts";
import { MAX_TIMEOUT_MS } from "../../client/options.ts";
import { systemEnvironment } from "../environment.ts";
import type { Arguments } from "./arguments.ts";
import { checkedAddress, checkedId, parseClusterList } from "./cluster-list.ts";
import { type Command, clusterOption, DEFAULT_TIMEOUT_MS, timeoutOption } from "./command.ts";
import { exitCode, UsageError } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

export const members: Command = {
  name: "members",
  summary: "Add a node, remove one for good, or let a removed one join again",
  positionals: ["add|remove|lift", "ID", "[URL]"],
  options: {
    cluster: clusterOption,
    "timeout-ms": timeoutOption,
    json: { type: "boolean", help: "as one JSON object" },
  },
  details: [
    "add ID URL   lets a new node join; then start it: viewstamp serve --id ID --listen URL --cluster …",
    "remove ID    takes the node out of the cluster and bars it",
    "lift ID      ends the bar; a node that the others' --cluster does not name must be added again",
  ],
  run,
};

type Action = MembershipChange["action"];

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const [word = "", id = "", url] = args.positionals;
  const action = actionOf(word);
  if (action === "add" && url === undefined) throw new UsageError("members add needs the URL of the new node");
  // One that was added under an impossible id must still be removed.
  if (action === "add") checkedId(id, "the new node");
  if (action !== "add" && url !== undefined) throw new UsageError(`members ${action} takes no URL`);
  const cluster = parseClusterList(args.text("cluster")).map((node) => node.url);
  const added = url === undefined ? {} : { url: checkedAddress(url, "the address of the new node") };
  const timeoutMs = args.number("timeout-ms", DEFAULT_TIMEOUT_MS, 1, MAX_TIMEOUT_MS);
  const surprise = await surpriseOf(action, id, cluster, Math.min(timeoutMs, STATUS_MS));
  const common = { cluster, environment: systemEnvironment, transport: webSocket() };
  const vid = await changeMembership({ ...common, action, id, ...added, timeoutMs });
  terminal.data(args.has("json") ? JSON.stringify({ vid }) : `view ${vid}`);
  if (surprise !== "") terminal.message(`viewstamp: ${surprise}`);
  return exitCode.ok;
}

/** A node that hangs must not keep the change waiting for long. */
const STATUS_MS = 2000;

/** A mistyped id is a change all the same; whoever made it should know. */
async function surpriseOf(action: Action, id: string, cluster: readonly string[], timeoutMs: number): Promise<string> {
  if (action === "add") return "";
  const answers = await clusterStatus(cluster, systemEnvironment, webSocket(), timeoutMs);
  const views = answers.flatMap(({ status }) => (status === undefined || status.vid === 0 ? [] : status));
  if (views.length === 0) return "";
  if (action === "lift") return views.some(({ barred }) => barred.includes(id)) ? "" : `${id} was not barred`;
  const isKnown = views.some((view) =>
    [...view.members, ...view.acceptors, ...view.invited].some((node) => node.id === id),
  );
  return isKnown || views.some(({ barred }) => barred.includes(id)) ? "" : `no view had a node ${id}; it is barred now`;
}

function actionOf(word: string): Action {
  if (word === "add" || word === "remove" || word === "lift") return word;
  throw new UsageError(`members ${word}: there are add, remove and lift`);
}
