/**
 * `viewstamp members add|remove|lift`: an operator's change of membership.
 * @module
 */
import { webSocket } from "../../../transports/websocket.ts";
import { changeMembership, type MembershipChange } from "../../client/admin.ts";
import { systemEnvironment } from "../environment.ts";
import type { Arguments } from "./arguments.ts";
import { checkedAddress, parseClusterList } from "./cluster-list.ts";
import { type Command, clusterOption, DEFAULT_TIMEOUT_MS, timeoutOption } from "./command.ts";
import { exitCode, UsageError } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

export const members: Command = {
  name: "members",
  summary: "Add a node, remove one for good, or let a removed one join again",
  positionals: ["add|remove|lift", "ID", "[URL]"],
  options: { cluster: clusterOption, "timeout-ms": timeoutOption },
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
  if (action !== "add" && url !== undefined) throw new UsageError(`members ${action} takes no URL`);
  const vid = await changeMembership({
    cluster: parseClusterList(args.text("cluster")).map((node) => node.url),
    environment: systemEnvironment,
    transport: webSocket(),
    action,
    id,
    ...(url !== undefined && { url: checkedAddress(url, "the address of the new node") }),
    timeoutMs: args.number("timeout-ms", DEFAULT_TIMEOUT_MS, 1),
  });
  terminal.data(`view ${vid}`);
  return exitCode.ok;
}

function actionOf(word: string): Action {
  if (word === "add" || word === "remove" || word === "lift") return word;
  throw new UsageError(`members ${word}: there are add, remove and lift`);
}
