/**
 * Where the config layer puts its effects.
 * @module
 */
import type { PeerMessage } from "../protocol/messages.ts";
import type { StorageRecord } from "../protocol/storage.ts";
import type { NodeId } from "../protocol/view.ts";

export interface ConfigOutput {
  /** Hands a record to the storage; gives the number of the write that makes it durable. */
  persist(record: StorageRecord): number;
  /** Sends once the write numbered `after` and all before it are durable. */
  send(to: NodeId, message: PeerMessage, after: number): void;
  suspected(id: NodeId, reason: string): void;
  /** Counts a rare path. */
  path(name: string): void;
}
