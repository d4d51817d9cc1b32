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
    readonly id: NodeId;
    readonly incarnation: Incarnation;
}
/** One incarnation of a node and the address it advertises. */
export interface Member extends Identity {
    readonly url: string;
}
/** A node an operator has added and that has not joined yet. */
export interface Invitation {
    readonly id: NodeId;
    readonly url: string;
}
/** What Paxos instance `vid` chose: who belongs, who is primary. Lists are sorted by id. */
export interface View {
    readonly vid: number;
    /** The replicas that log every request of this view. */
    readonly members: readonly Member[];
    /** The nodes whose majority chooses the next view. Members are always acceptors. */
    readonly acceptors: readonly Member[];
    /** Ids an operator has removed; they may not join until lifted. */
    readonly barred: readonly NodeId[];
    /** Ids an operator has added beyond those named in every node's `cluster` option. */
    readonly invited: readonly Invitation[];
    readonly primary: NodeId;
}
/**
 * A place in the history: `seqno` never restarts, so it is also the place in the log; `vid` is the view
 * whose primary stamped it. Logs that agree on one viewstamp agree on everything before it.
 */
export interface Viewstamp {
    readonly vid: number;
    readonly seqno: number;
}
/** The place before the first entry. */
export declare const ORIGIN: Viewstamp;
export declare function sameViewstamp(a: Viewstamp, b: Viewstamp): boolean;
export declare function sameIdentity(a: Identity, b: Identity): boolean;
/** The order of ids: by UTF-16 code units, the same on every engine. */
export declare function compareIds(a: NodeId, b: NodeId): number;
export declare function sortById<T extends {
    readonly id: NodeId;
}>(list: readonly T[]): T[];
export declare function findById<T extends {
    readonly id: NodeId;
}>(list: readonly T[], id: NodeId): T | undefined;
/** Whether exactly this incarnation is in the list. */
export declare function includesIdentity(list: readonly Identity[], who: Identity): boolean;
/** How many of the acceptors choose the next view. */
export declare function quorumOf(view: View): number;
/** The primary as a member; every decided view has it. */
export declare function primaryOf(view: View): Member;
