/**
 * Views and the identities in them (design.md, section 2).
 * @module
 */

/** A node's name in its cluster: a short string; "smallest" is by string order (UTF-16 code units). */
export type NodeId = string;

/** A random id made with a node's data: new data, new incarnation. */
export type Incarnation = string;

/** A random id made at genesis; nodes of different clusters refuse each other. */
export type ClusterId = string;

/** Who a message comes from: two are the same node only if id and incarnation are. */
export interface Identity {
  /** Its name, which it keeps with new data. */
  readonly id: NodeId;
  /** Which of its lives. */
  readonly incarnation: Incarnation;
}

/** One incarnation of a node and the address it advertises. */
export interface Member extends Identity {
  /** Where the others and clients reach it. */
  readonly url: string;
}

/** A node an operator has added and that has not joined yet. */
export interface Invitation {
  /** The name it must join with. */
  readonly id: NodeId;
  /** The address the operator gave. */
  readonly url: string;
}

/** What Paxos instance `vid` chose: who belongs, who is primary. Lists are sorted by id. */
export interface View {
  /** The view's number, from 1 without gaps: the Paxos instance that chose it. */
  readonly vid: number;
  /** The replicas that log every request of this view. */
  readonly members: readonly Member[];
  /** The nodes whose majority chooses the next view. Members are always acceptors. */
  readonly acceptors: readonly Member[];
  /** Ids an operator has removed; they may not join until lifted. */
  readonly barred: readonly NodeId[];
  /** Ids an operator has added beyond those named in every node's `cluster` option. */
  readonly invited: readonly Invitation[];
  /** The member that stamps the requests of this view. */
  readonly primary: NodeId;
}

/**
 * A place in the history: `seqno` never restarts, so it is also the place in the log; `vid` is the view
 * whose primary stamped it. Logs that agree on one viewstamp agree on everything before it.
 */
export interface Viewstamp {
  /** The view whose primary stamped the entry; 0 before the first. */
  readonly vid: number;
  /** The entry's place in the log, from 1 without gaps; 0 before the first. */
  readonly seqno: number;
}

/** The place before the first entry. */
export const ORIGIN: Viewstamp = { vid: 0, seqno: 0 };

export function sameViewstamp(a: Viewstamp, b: Viewstamp): boolean {
  return a.vid === b.vid && a.seqno === b.seqno;
}

export function sameIdentity(a: Identity, b: Identity): boolean {
  return a.id === b.id && a.incarnation === b.incarnation;
}

/** The order of ids: by UTF-16 code units, the same on every engine. */
export function compareIds(a: NodeId, b: NodeId): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function sortById<T extends { readonly id: NodeId }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => compareIds(a.id, b.id));
}

export function findById<T extends { readonly id: NodeId }>(list: readonly T[], id: NodeId): T | undefined {
  return list.find((item) => item.id === id);
}

/** Whether exactly this incarnation is in the list. */
export function includesIdentity(list: readonly Identity[], who: Identity): boolean {
  return list.some((item) => sameIdentity(item, who));
}

/** How many of the acceptors choose the next view. */
export function quorumOf(view: View): number {
  return Math.floor(view.acceptors.length / 2) + 1;
}

/** The primary as a member; every decided view has it. */
export function primaryOf(view: View): Member {
  const member = findById(view.members, view.primary);
  if (member === undefined) throw new Error(`view ${view.vid} has no primary among its members`);
  return member;
}
