/**
 * The built-in key-value machine.
 *
 * @example
 * ```ts
 * import { connect } from "viewstamp";
 * import { kv } from "viewstamp/kv";
 * import { webSocket } from "viewstamp/transports/websocket";
 *
 * const client = await connect({ cluster: ["ws://127.0.0.1:7001"], machine: kv, transport: webSocket() });
 * await client.put({ key: "greeting", value: "hello" });
 * ```
 * @module
 */

export type * from "../machine/definition.ts";
export * from "../machine/kv.ts";
export type {
  IsIdentifier,
  KnownKeys,
  NameCheck,
  NamesCheck,
  RESERVED_NAMES,
  Refused,
  ReservedName,
} from "../machine/names.ts";
export type { VersionedMap } from "../machine/versioned-map.ts";
export type { SessionId } from "../protocol/session.ts";
export type { Viewstamp } from "../protocol/view.ts";
