/**
 * What a node says of itself and of the cluster.
 * @module
 */
import type { News, NodeStatus } from "../protocol/client-messages.ts";
import type { DurableState } from "../protocol/storage.ts";
import { primaryOf, type View } from "../protocol/view.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

export function newsOf(view: View | undefined, active: boolean): News {
  if (view === undefined) return { type: "news", vid: 0, primary: "", primaryUrl: "", active: false, urls: [] };
  const urls = view.acceptors.map((acceptor) => acceptor.url);
  return { type: "news", vid: view.vid, primary: view.primary, primaryUrl: primaryOf(view).url, active, urls };
}

export function statusOf(
  replica: ReplicatedLog,
  { runtime, durable }: { readonly runtime: string; readonly durable: DurableState },
  role: NodeStatus["role"],
  active: boolean,
): NodeStatus {
  const { config, log, commit, state } = replica;
  const { view, self } = config;
  return {
    id: self.id,
    incarnation: self.incarnation,
    clusterId: config.clusterId ?? "",
    runtime,
    role,
    active,
    vid: view?.vid ?? 0,
    primary: view?.primary ?? "",
    members: view?.members ?? [],
    acceptors: view?.acceptors ?? [],
    barred: view?.barred ?? [],
    invited: view?.invited ?? [],
    viewstamp: log.last,
    commit,
    applied: state.applied.seqno,
    hash: state.hash,
    sessions: state.sessions.size,
    snapshotPauseMs: replica.snapshotPauseMs,
    restorePauseMs: replica.restorePauseMs,
    trouble: troubleOf(replica, durable),
    machines: state.versions.map((running, at) => ({ ...running, able: replica.able[at]?.versions ?? [] })),
  };
}

/** While it holds nothing. A view it may know, and then lose all who have a copy. */
function troubleOf({ config, log }: ReplicatedLog, { setAside }: DurableState): string {
  if (setAside === undefined || config.isMember() || log.last.seqno > 0) return "";
  const missing = config.view === undefined ? "no node it reaches has a copy" : "it has not been caught up since";
  return `its data was set aside, and ${missing}: ${setAside.reason}`;
}
