/**
 * What goes into the core and what comes out. The hands (`src/replica`) feed events one by one, perform the effects in
 * order, and end each turn with `turn`: what arrived in one turn shares one invoke, one write, one frame per peer.
 * @module
 */
import type { ClientMessage, News, ServerMessage } from "../protocol/client-messages.ts";
import type { ViewstampError } from "../protocol/errors.ts";
import type { MachineVersion } from "../protocol/machine.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { SnapshotInfo, StorageRecord } from "../protocol/storage.ts";
import type { Identity, Member, NodeId, View, Viewstamp } from "../protocol/view.ts";

export type CoreEvent =
  /** The connection this node dialed to a peer is open and the hellos agreed; a newer one replaces an older. */
  | { readonly type: "linkUp"; readonly peer: Identity }
  /** That connection is lost, or could not be made. `refused`: nobody listens there any more. */
  | { readonly type: "linkDown"; readonly id: NodeId; readonly refused: boolean }
  /** The connection that the peer dialed is open: messages come from this incarnation, which advertises this url. */
  | { readonly type: "heardUp"; readonly peer: Member }
  /** The connection that the peer dialed, and that messages came over, is closed. */
  | { readonly type: "heardDown"; readonly id: NodeId }
  | { readonly type: "message"; readonly from: Identity; readonly message: PeerMessage }
  /** `client` numbers the client's connection to this node. */
  | { readonly type: "client"; readonly client: number; readonly message: ClientMessage }
  | { readonly type: "clientGone"; readonly client: number }
  /** All writes through number `write` are durable. */
  | { readonly type: "durable"; readonly write: number }
  /** The answer to `readChunk`; `undefined` if that snapshot is gone. */
  | {
      readonly type: "chunkRead";
      readonly to: NodeId;
      readonly at: Viewstamp;
      readonly index: number;
      readonly bytes: Uint8Array | undefined;
    }
  /** The answer to `storeChunk`: the chunk is with the storage (not yet durable). */
  | { readonly type: "chunkStored"; readonly at: Viewstamp; readonly index: number }
  /** The answer to `installSnapshot`: the received snapshot is durable and the newest. */
  | { readonly type: "snapshotInstalled"; readonly snapshot: SnapshotInfo }
  /** The answer to `saveSnapshot`: it is durable and the newest. */
  | { readonly type: "snapshotSaved"; readonly snapshot: SnapshotInfo; readonly pauseMs: number }
  /** The answer to `restored`: so long that took. */
  | { readonly type: "restoringTook"; readonly ms: number }
  /** The answer to `continue`: the next slice of what is committed is executed, the next chunk that has come restored. */
  | { readonly type: "continue" }
  /** Time passes: every `tickMs` of the core. It ends the turn too: what was stamped leaves now. */
  | { readonly type: "tick" }
  /** The turn ends: stamp-and-send batches leave now. */
  | { readonly type: "turn" }
  /** Stop gracefully: hand over first; ends with the effect `stopped`, at the latest after `suspectMs`. */
  | { readonly type: "stop" };

export type Effect =
  /** Give the records to the storage; when they are durable, say `durable` with this number. Numbers count up by one. */
  | { readonly type: "write"; readonly write: number; readonly records: readonly StorageRecord[] }
  /** Send once all writes through `after` are durable (at once if they are); dropped without a link to `to`. */
  | { readonly type: "send"; readonly to: NodeId; readonly message: PeerMessage; readonly after: number }
  /** Send to a client once all writes through `after` are durable; dropped if its connection is gone. */
  | { readonly type: "answer"; readonly client: number; readonly message: ServerMessage; readonly after: number }
  /** Push to every connected client, and say to each that connects from now on, once `after` is durable. */
  | { readonly type: "announce"; readonly news: News; readonly after: number }
  /** Keep a link to exactly these nodes (other than this one). */
  | { readonly type: "peers"; readonly peers: readonly { readonly id: NodeId; readonly url: string }[] }
  /** Drain the iterator in slices into a snapshot of the state at `at`, make it durable. One at a time. */
  | { readonly type: "saveSnapshot"; readonly at: Viewstamp; readonly chunks: Iterator<Uint8Array> }
  /** Read a chunk of the newest durable snapshot, for a learner. */
  | { readonly type: "readChunk"; readonly to: NodeId; readonly at: Viewstamp; readonly index: number }
  /** Begin to receive a snapshot; one begun before is abandoned, as is a `saveSnapshot` under way. */
  | { readonly type: "receiveSnapshot"; readonly at: Viewstamp }
  | { readonly type: "storeChunk"; readonly at: Viewstamp; readonly index: number; readonly bytes: Uint8Array }
  /** Commit the received snapshot. */
  | { readonly type: "installSnapshot"; readonly at: Viewstamp }
  /** A part of a received snapshot was restored in this step: say `restoringTook`. */
  | { readonly type: "restored" }
  /** The data lacks what it must hold: set it aside and start again as a new incarnation. */
  | { readonly type: "setAside"; readonly reason: string }
  /** There is more to do than belongs in one step, as entries to execute: say `continue` soon, in this turn if there is time. One at a time. */
  | { readonly type: "continue" }
  /** Something worth telling people; never needed for correctness. */
  | { readonly type: "happened"; readonly what: Happening }
  /** The core stops for good: no more votes or replies. */
  | { readonly type: "halt"; readonly error: ViewstampError }
  /** A graceful stop is complete. */
  | { readonly type: "stopped" };

/** What happens to a node, for people: `serve --json` prints one line for each. */
export type Happening =
  /** A newer view is known. */
  | { readonly event: "view"; readonly view: View }
  /** This node is primary and takes requests in view `vid`. */
  | { readonly event: "active"; readonly vid: number }
  /** This node follows the primary of view `vid` and its log is level. */
  | { readonly event: "following"; readonly vid: number }
  /** This node is no member and asks to be admitted. */
  | { readonly event: "joining"; readonly vid: number }
  /** This node was a member and is no longer. */
  | { readonly event: "removed"; readonly vid: number }
  /** The cluster has switched: from here on its machines run in these versions (or, after a failed migration, in the old). */
  | { readonly event: "upgraded"; readonly machines: readonly MachineVersion[] }
  /** This node is not admitted: its program cannot run what the cluster runs. */
  | { readonly event: "tooOld"; readonly running: readonly MachineVersion[]; readonly text: string }
  /** Something that its operator should know. */
  | { readonly event: "warning"; readonly text: string }
  /** A node is suspected, and why. */
  | { readonly event: "suspected"; readonly id: NodeId; readonly reason: string }
  /** Rare paths, for coverage counters and traces: `name` is stable. */
  | { readonly event: "path"; readonly name: string };
