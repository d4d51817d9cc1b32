/**
 * What a replica is made from, and what it tells: the hands' side of the bargain with the core.
 * @module
 */
import type { News } from "../protocol/client-messages.ts";
import type { Environment } from "../protocol/environment.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import type { ReplicatedMachine, Restoration } from "../protocol/machine.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import type { Storage } from "../protocol/storage.ts";
import type { Transport } from "../protocol/transport.ts";
import type { ClusterId, NodeId, Viewstamp } from "../protocol/view.ts";
import type { CoreSetup } from "../rsm/core.ts";
import type { CoreEvent, Effect, Happening } from "../rsm/events.ts";

/** A node's name and the address the others reach it at. */
export interface Address {
  readonly id: NodeId;
  readonly url: string;
}

/** What the hands need of a core. */
export interface CoreLike {
  step(event: CoreEvent, now: number): readonly Effect[];
  /** `tick` is said this often. */
  readonly tickMs: number;
  /** Whether the end of this turn has anything to do: if not, `turn` is not said. */
  readonly awaitsTurn: boolean;
  /**
   * Known from genesis or joining on. Others are told it once it is durable; those of another cluster are nobody to talk to
   * from the moment on that it is known.
   */
  clusterId(mustBeDurable: boolean): ClusterId | undefined;
  news(): News;
}

/** What a core begins its life with, beside the restored state. */
export type CoreStart = Omit<CoreSetup, "state">;

/** The replicated state, being restored, and then the core around it. */
export interface Brain {
  restore(at: Viewstamp): Restoration;
  wake(start: CoreStart): CoreLike;
}

/** Makes a new replicated state around a new machine; the tests have one of their own. */
export type MakeBrain = (machine: ReplicatedMachine) => Brain;

/** Sees each step of the core and what frames are made of, for the simulator's ledger. */
export interface Tap {
  stepped(core: CoreLike, event: CoreEvent, effects: readonly Effect[]): void;
  /** A frame for a peer that holds these messages leaves next. */
  framed?(frame: Uint8Array, messages: readonly PeerMessage[]): void;
}

/** Bounds of the hands. Times are milliseconds, sizes are bytes. */
export interface HandLimits {
  /** A peer or client that lets so much wait for it is cut off. */
  readonly maxQueuedBytes: number;
  /** Client connections; one more is refused with `Overloaded`. */
  readonly maxClients: number;
  /** Connections that have not said who they are; one more is ended at once. */
  readonly maxStrangers: number;
  /** A connection that has not said who it is, or a dial without an answer, is given up. */
  readonly helloMs: number;
  /** Messages in one frame of a client. */
  readonly maxFrameMessages: number;
  /** A snapshot is taken, a long log executed, in slices of about this long. */
  readonly sliceMs: number;
  /** The core executes so many entries at a time at most: a slice is longer than `sliceMs` by the time these take. */
  readonly sliceEntries: number;
}

export const HAND_LIMITS: HandLimits = {
  maxQueuedBytes: 16 * 1024 * 1024,
  maxClients: 10_000,
  maxStrangers: 1_000,
  helloMs: 2_000,
  maxFrameMessages: 8_192,
  sliceMs: 5,
  sliceEntries: 16,
};

/** Everything that a replica is started with; defaults are chosen in `src/entry`. */
export interface ReplicaSetup {
  readonly id: NodeId;
  readonly cluster: readonly Address[];
  /** Where it takes connections. */
  readonly listen: string;
  /** Where the others reach it; `undefined`: at the address that was bound. */
  readonly advertise: string | undefined;
  readonly storage: Storage;
  readonly transport: Transport;
  /** A new machine in its initial state, for each life. */
  readonly machine: () => ReplicatedMachine;
  readonly options: CoreOptions;
  readonly limits: HandLimits;
  readonly environment: Environment;
  /** Named in `status`: `"node 20.20.2"`. */
  readonly runtime: string;
  readonly makeBrain: MakeBrain;
  readonly observer: ((event: ReplicaEvent) => void) | undefined;
  readonly tap: Tap | undefined;
}

/**
 * What happens to a replica, for people and traces; plain data, so that it can be printed as JSON. Never needed for
 * correctness.
 */
export type ReplicaEvent =
  | Exclude<Happening, { readonly event: "upgraded" }>
  /**
   * The cluster has switched: from here on its machines run in these versions, or still in the old ones if a migration
   * failed (a warning says why). `pauseMs` bounds how long migrating stopped this node, in milliseconds.
   */
  | (Extract<Happening, { readonly event: "upgraded" }> & { readonly pauseMs: number })
  /** It takes connections at `url`. */
  | { readonly event: "listening"; readonly url: string }
  /** Two nodes may not talk: `by` says which of them found out. It is tried again with a long back-off. */
  | {
      readonly event: "rejected";
      readonly by: "us" | "them";
      readonly who: string;
      readonly code: ErrorCode;
      readonly text: string;
    }
  /** A connection was ended: bytes that are no message, or too slow a reader. */
  | { readonly event: "cutOff"; readonly who: string; readonly reason: string }
  /** The data was set aside; the node begins anew as another incarnation. */
  | { readonly event: "setAside"; readonly reason: string }
  /** It has stopped, in good order or because of an error. */
  | {
      readonly event: "stopped";
      readonly error: { readonly code: ErrorCode; readonly text: string } | undefined;
    };
