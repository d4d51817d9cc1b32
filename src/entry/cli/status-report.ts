/**
 * The answers of many nodes as one picture of the cluster.
 * @module
 */
import type { NodeStatus } from "../../protocol/client-messages.ts";
import type { NodeId } from "../../protocol/view.ts";
import { columns } from "./table.ts";
import type { Style } from "./terminal.ts";

/** What one node said, or why it said nothing. */
export interface NodeAnswer {
  readonly url: string;
  readonly id: NodeId | undefined;
  readonly status: NodeStatus | undefined;
  /** In a word or two; empty for a node that answered. */
  readonly trouble: string;
  /** What the connection or the node said of that; empty if that is all. */
  readonly reason: string;
}

export interface ClusterReport {
  /** Whether the primary of the newest view takes requests. */
  readonly serving: boolean;
  /** The newest view that any node told of; 0 if none is known. */
  readonly vid: number;
  readonly primary: NodeId | undefined;
  readonly members: readonly NodeId[];
  readonly acceptors: readonly NodeId[];
  readonly barred: readonly NodeId[];
  readonly invited: readonly NodeId[];
  readonly nodes: readonly NodeAnswer[];
}

export function reportOf(nodes: readonly NodeAnswer[]): ClusterReport {
  const statuses = nodes.flatMap(({ status }) => status ?? []);
  const newest = statuses.reduce<NodeStatus | undefined>(
    (best, one) => (one.vid > (best?.vid ?? 0) ? one : best),
    undefined,
  );
  const ids = (list: readonly { readonly id: NodeId }[] = []): NodeId[] => list.map(({ id }) => id);
  return {
    serving: statuses.some(({ role, active, vid }) => role === "primary" && active && vid === newest?.vid),
    vid: newest?.vid ?? 0,
    primary: newest?.primary,
    members: ids(newest?.members),
    acceptors: ids(newest?.acceptors),
    barred: newest?.barred ?? [],
    invited: ids(newest?.invited),
    nodes,
  };
}

/** The report for people: a headline, and a line for each node. */
export function reportLines(report: ClusterReport, style: Style): string[] {
  const [header = "", ...rows] = columns([
    ["NODE", "ROLE", "STATE", "VIEW", "LOG", "COMMITTED", "APPLIED", "SESSIONS", "RUNTIME", "ADDRESS"],
    ...report.nodes.map(rowOf),
  ]);
  const head = [headline(report, style), ...membership(report), ...machines(report), ""];
  return [
    ...head,
    style.dim(header),
    ...rows,
    ...pauses(report, style),
    ...reasons(report),
    ...troubles(report, style),
  ];
}

function headline({ serving, vid, primary, members, nodes }: ClusterReport, style: Style): string {
  if (vid === 0 && nodes.some(({ status }) => (status?.trouble ?? "") !== ""))
    return style.red("no view is known: no node that answers has healthy data (see viewstamp log verify, recover)");
  if (nodes.every(({ status }) => status === undefined)) return style.red("no node answers");
  if (vid === 0) return style.yellow("no view is known: the cluster is founded once every node of it runs");
  const state = serving ? style.green("serving") : style.red("not serving");
  return `${style.bold(`view ${vid}`)}: members ${members.join(" ")}, primary ${primary}, ${state}`;
}

function troubles({ nodes }: ClusterReport, style: Style): string[] {
  return nodes.flatMap(({ status }) =>
    status === undefined || status.trouble === "" ? [] : [style.red(`${status.id}: ${status.trouble}`)],
  );
}

/** Longer than anything takes that is done in slices: the state of a machine that has none. */
const LONG_PAUSE_MS = 50;

function pauses({ nodes }: ClusterReport, style: Style): string[] {
  return nodes.flatMap(({ status }) => {
    if (status === undefined) return [];
    const { id, snapshotPauseMs, restorePauseMs } = status;
    const parts = [
      ...(snapshotPauseMs >= LONG_PAUSE_MS ? [`${Math.round(snapshotPauseMs)} ms to take a snapshot`] : []),
      ...(restorePauseMs >= LONG_PAUSE_MS ? [`${Math.round(restorePauseMs)} ms to restore one`] : []),
    ];
    return parts.length === 0 ? [] : [style.yellow(`${id}: stood still for ${parts.join(", for ")}`)];
  });
}

/** Why nodes cannot be reached: a process that does not run, a wrong port, a name that nobody knows. */
function reasons({ nodes }: ClusterReport): string[] {
  return nodes.flatMap(({ id, reason }) => (reason === "" ? [] : [`${id ?? "?"}: ${reason}`]));
}

function membership({ acceptors, members, barred, invited }: ClusterReport): string[] {
  const absent = acceptors.filter((id) => !members.includes(id));
  const named = (what: string, ids: readonly NodeId[]): string[] =>
    ids.length > 0 ? [`${what}: ${ids.join(" ")}`] : [];
  return [...named("absent, counted for majorities", absent), ...named("barred", barred), ...named("invited", invited)];
}

/** What runs, and who could run more: the cluster upgrades once all members can. */
function machines({ nodes, primary, members }: ClusterReport): string[] {
  const statuses = nodes.flatMap(({ status }) => status ?? []);
  const running = statuses.find(({ id }) => id === primary)?.machines ?? [];
  return running.flatMap(({ name, version }) => {
    const newer = statuses.flatMap(({ id, machines: own }) => {
      const newest = own.find((one) => one.name === name)?.able.at(-1) ?? version;
      return newest > version ? [{ id, newest }] : [];
    });
    if (version === 1 && newer.length === 0) return [];
    const could = newer.map(({ id, newest }) => `${id} could run ${newest}`);
    const couldAll = members.every((id) => newer.some((one) => one.id === id));
    return [[`machine ${name}: version ${version}`, ...could].join(", "), ...(couldAll ? WHY_NOT_UPGRADED : [])];
  });
}

/** It takes a moment: this is only for whoever sees it again. */
const WHY_NOT_UPGRADED: readonly string[] = [
  "  all members could: if this stays so, migrate has failed, and each node's messages say why. Mend it, and restart each",
  "  node with that program; those that have not been restarted since keep the cluster at the version before",
];

function rowOf({ url, id, status, trouble }: NodeAnswer): string[] {
  if (status === undefined) return [id ?? "?", "-", "-", "-", "-", "-", "-", "-", trouble, url];
  const { viewstamp, commit, applied } = status;
  return [
    status.id,
    status.role,
    status.active ? "active" : "waiting",
    String(status.vid),
    `${viewstamp.vid}.${viewstamp.seqno}`,
    String(commit),
    String(applied),
    String(status.sessions),
    status.runtime,
    url,
  ];
}
