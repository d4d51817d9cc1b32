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
    trouble: view === undefined ? troubleOf(durable) : "",
    machines: state.versions.map((running, at) => ({ ...running, able: replica.able[at]?.versions ?? [] })),
  };
}

/** While no view is known. */
function troubleOf({ setAside }: DurableState): string {
  return setAside === undefined ? "" : `its data was set aside, and no node it reaches has a copy: ${setAside.reason}`;
}
