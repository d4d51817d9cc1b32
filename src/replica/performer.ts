/**
 * Performs what the core asks for: one line per effect.
 * @module
 */
import type { Environment } from "../protocol/environment.ts";
import type { Effect } from "../rsm/events.ts";
import type { Clients } from "./clients.ts";
import type { ReplicaEvent } from "./contract.ts";
import type { Durability } from "./durability.ts";
import type { Mesh } from "./mesh.ts";
import type { Snapshots } from "./snapshots.ts";

/** After one of these nothing comes any more. */
export type LastEffect = Extract<Effect, { readonly type: "setAside" | "halt" | "stopped" }>;

export interface PerformerRooms {
  readonly environment: Environment;
  readonly mesh: Mesh;
  readonly clients: Clients;
  readonly durability: Durability;
  readonly snapshots: Snapshots;
  readonly tell: (event: ReplicaEvent) => void;
  /** A step has restored a part of a snapshot, and taken so long. */
  readonly restored: (ms: number) => void;
  /** The core has more to do. */
  readonly goOn: () => void;
  /** The life ends: nothing is performed any more. */
  readonly end: (last: LastEffect) => void;
}

export function performWith(rooms: PerformerRooms): (effect: Effect, steppedAt: number) => void {
  const { environment, mesh, clients, durability, snapshots, tell, restored, goOn, end } = rooms;
  return (effect, steppedAt) => {
    switch (effect.type) {
      case "write":
        return durability.write(effect.write, effect.records);
      case "send": {
        const sink = mesh.sinkTo(effect.to);
        if (sink !== undefined) durability.send(sink, effect.message, effect.after);
        return;
      }
      case "answer": {
        const sink = clients.sinkTo(effect.client);
        if (sink !== undefined) durability.send(sink, effect.message, effect.after);
        return;
      }
      case "announce":
        return durability.send(clients.everyone, effect.news, effect.after);
      case "peers":
        return mesh.setPeers(effect.peers);
      case "saveSnapshot":
        return snapshots.save(effect.at, effect.chunks, environment.now() - steppedAt);
      case "readChunk":
        return snapshots.read(effect.to, effect.at, effect.index);
      case "receiveSnapshot":
        return snapshots.receive(effect.at);
      case "storeChunk":
        return snapshots.store(effect.at, effect.index, effect.bytes);
      case "restored":
        return restored(environment.now() - steppedAt);
      case "installSnapshot":
        // Nothing written before may reach the disk after it.
        durability.flush();
        return snapshots.install(effect.at);
      case "continue":
        return goOn();
      case "happened":
        if (effect.what.event !== "upgraded") return tell(effect.what);
        return tell({ ...effect.what, pauseMs: Math.max(0, environment.now() - steppedAt) });
      case "setAside":
      case "halt":
      case "stopped":
        return end(effect);
    }
  };
}
