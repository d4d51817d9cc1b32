// What the harness and its nodes say to each other: one JSON object a line, orders down (stdin), facts up (stdout).
import type { CoreOptions } from "../../src/protocol/options.ts";
import type { NodeId } from "../../src/protocol/view.ts";

/** As seen from the node that is told. */
export type Direction = "out" | "in" | "both";

/** What a node starts with. */
export interface NodeOptions {
  readonly id: NodeId;
  readonly cluster: Readonly<Record<NodeId, string>>;
  readonly listen: string;
  /** `undefined`: in memory. */
  readonly data: string | undefined;
  /** The newest version of `basket` that it can run. */
  readonly program: number;
  readonly core: Partial<CoreOptions>;
}

/** Where in a node's life a trap lies. */
export type TrapPlace =
  /** Before a message leaves: with `kill` or `cut` it never does. What had to be durable first is durable. */
  | "before-send"
  /** After a message was given to the network. */
  | "sent"
  /** A message has come in and nobody has seen it yet. */
  | "received"
  /** Something happened to the node (`event` says what). */
  | "happened";

/** Which message or event springs a trap, how often, and what it does then. */
export interface Trap {
  /** Reported with the fact `trapped`. */
  readonly name: string;
  readonly at: TrapPlace;
  /** A type of a peer, client or server message. */
  readonly message?: string;
  readonly event?: string;
  /** The other node; not given: any node or client. */
  readonly peer?: NodeId;
  /** Only messages that carry entries. */
  readonly withEntries?: boolean;
  /** Only messages whose `seqno` reaches the last entry of the message that sprang the trap before this. */
  readonly reachesMark?: boolean;
  /** Only messages or events of this or a later view. */
  readonly vid?: number;
  /** Only views with exactly these members. */
  readonly members?: readonly NodeId[];
  /** The how-manieth springs it; 1 by default. */
  readonly count?: number;
  readonly actions: readonly TrapAction[];
  /** Laid when this one has sprung. */
  readonly next?: Trap;
}

export type TrapAction =
  /** SIGKILL to itself, at once: nothing after this moment happens. */
  { readonly do: "kill" } | { readonly do: "cut"; readonly peer: NodeId | "all"; readonly direction: Direction };

/** What can be wrong with a node's disk. */
export type DiskFault =
  /** Nothing that is asked of it is ever done. */
  | "hangs"
  /** No file can grow. */
  | "full"
  | "fails to sync";

export type Order =
  | { readonly do: "start"; readonly options: NodeOptions }
  | { readonly do: "stop" }
  | { readonly do: "cut"; readonly peer: NodeId | "all"; readonly direction: Direction }
  | { readonly do: "heal"; readonly peer: NodeId | "all" }
  | { readonly do: "disk"; readonly fault: DiskFault | undefined }
  | { readonly do: "trap"; readonly trap: Trap };

/** `order` numbers the orders of one process from 1; each is answered by `obeyed`. */
export type NumberedOrder = Order & { readonly order: number };

/** A line from a node: what happened to its replica (as `serve --json` says it), or to the harness's part of it. */
export interface Fact {
  readonly event: string;
  readonly [key: string]: unknown;
}
