/**
 * The first frame each way on a connection: who it is, and whether the two may talk.
 * @module
 */
import type { ErrorCode } from "./errors.ts";
import type { MachineAbility } from "./machine.ts";
import type { ClusterId, Identity } from "./view.ts";

/** The protocol versions this code speaks. */
export const PROTOCOL_LEAST = 1;
export const PROTOCOL_NEWEST = 1;

/** Options that must be the same on all nodes of a cluster. */
export interface AgreedOptions {
  readonly minCopies: number;
  readonly maxBodyBytes: number;
  readonly driftPercent: number;
}

/** Dialer -> listener, first. */
export interface Hello {
  readonly protocol: { readonly least: number; readonly newest: number };
  readonly role: "peer" | "client";
  /** `undefined` for clients that do not know it yet and for nodes without one. */
  readonly clusterId: ClusterId | undefined;
  /** Peers only. */
  readonly node: (Identity & { readonly url: string }) | undefined;
  /**
   * For peers the same names, and a version of each that both can run. For clients those they call, each in the one version
   * they know: the node must have that machine, and each call says of which version it is.
   */
  readonly machines: readonly MachineAbility[];
  /** Peers only. */
  readonly options: AgreedOptions | undefined;
  /** Room for a client's token or a peer's challenge; nothing is defined yet. */
  readonly authentication: Uint8Array | undefined;
}

/** Listener -> dialer: they may talk, in this protocol version. */
export interface Welcome {
  readonly accepted: true;
  readonly protocol: number;
  readonly clusterId: ClusterId | undefined;
  readonly node: Identity;
  /** The largest command or query body it takes, in bytes. */
  readonly maxBodyBytes: number;
  /** How much clocks may run apart, in percent; clients shorten their own deadlines by it. */
  readonly driftPercent: number;
  readonly authentication: Uint8Array | undefined;
}

/** Listener -> dialer: a typed refusal; the connection ends after it. */
export interface Rejection {
  readonly accepted: false;
  readonly code: ErrorCode;
  readonly text: string;
}

export type HelloReply = Welcome | Rejection;
