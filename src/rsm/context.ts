/**
 * What the parts of the replication layer share.
 * @module
 */
import type { Config } from "../config/config.ts";
import type { Entry } from "../protocol/entry.ts";
import type { CoreOptions } from "../protocol/options.ts";
import type { SnapshotInfo } from "../protocol/storage.ts";
import type { Durability } from "./durability.ts";
import type { Log } from "./log.ts";
import type { Output } from "./output.ts";
import type { AppliedEntry, ReplicatedState } from "./state.ts";

export interface Context {
  readonly options: CoreOptions;
  readonly config: Config;
  readonly output: Output;
  readonly log: Log;
  readonly durability: Durability;
  readonly state: ReplicatedState;
  /** Everything through this place is committed, as far as this node knows; it is executed. */
  readonly commit: number;
  /** The newest durable snapshot of this node. */
  readonly snapshot: SnapshotInfo | undefined;
  /** Executes everything through `seqno`, now known to be committed. */
  commitThrough(seqno: number, each?: (entry: Entry, applied: AppliedEntry) => void): void;
  /** The log was replaced by the snapshot just installed. */
  installed(snapshot: SnapshotInfo): void;
}
