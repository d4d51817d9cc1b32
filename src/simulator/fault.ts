/**
 * What faults are made of: the stage they play on, whom they strike, and how they mend.
 * @module
 */
import type { Aims, MessageType } from "./aims.ts";
import type { Network } from "./network.ts";
import type { SimNode } from "./node.ts";
import type { Host } from "./process.ts";
import type { Random } from "./random.ts";
import type { SimClient } from "./sim-client.ts";
import type { World } from "./world.ts";

export interface Stage {
  readonly world: World;
  readonly network: Network;
  readonly nodes: readonly SimNode[];
  readonly clients: readonly SimClient[];
  /** Whether this node's data may be lost now without losing more than the protocol bears. */
  readonly maySpare: (node: SimNode) => boolean;
  /** Faults that wait for a message. */
  readonly aims: Aims;
  /** The newest machine version that any program can run. */
  readonly newestProgram: number;
  /** An operator has asked to remove a node: that may be decided as late as this; 0 if nobody has. */
  removesUntil: number;
  /** Nothing may fail any more. */
  healed: boolean;
}

/** Begins a fault; gives false if there is nothing to do it to. */
export type Fault = (stage: Stage, random: Random) => boolean;

/** Mends after a time of chance, unless the world has healed before. */
export function later(stage: Stage, random: Random, least: number, most: number, mend: () => void): void {
  stage.world.after(random.between(least, most), () => {
    if (!stage.healed) mend();
  });
}

export function upNode(stage: Stage, random: Random): SimNode | undefined {
  const up = stage.nodes.filter((node) => node.up);
  // The primary is the most interesting one.
  const primary = up.find((node) => node.core?.role === "primary");
  if (primary !== undefined && random.chance(0.4)) return primary;
  return up.length === 0 ? undefined : random.pick(up);
}

export function onNode(act: (node: SimNode, stage: Stage, random: Random) => unknown): Fault {
  return (stage, random) => {
    const node = upNode(stage, random);
    if (node !== undefined) stage.world.story.tell(node.id, "is the one");
    return node !== undefined && act(node, stage, random) !== false;
  };
}

export function startLater(node: SimNode, stage: Stage, random: Random): void {
  const short = random.chance(0.5);
  later(stage, random, 0, short ? 300 : 4000, () => node.start());
}

export function cutFor(stage: Stage, random: Random, pairs: readonly (readonly [Host, Host])[]): boolean {
  for (const [from, to] of pairs) stage.network.cut(from, to);
  later(stage, random, 50, 3000, () => {
    for (const [from, to] of pairs) stage.network.heal(from, to);
  });
  return pairs.length > 0;
}

export function allHosts(stage: Stage): Host[] {
  return [...stage.nodes.map(({ host }) => host), ...stage.clients.map(({ host }) => host)];
}

/** Where a crash hurts most: between what a node says, hears and writes while something is decided. */
export const TELLING: readonly MessageType[] = [
  ...(["prepare", "promise", "accept", "accepted", "decided"] as const),
  ...(["invoke", "invoked", "locate", "located", "level", "leveled", "confirmed", "snapshotChunk"] as const),
  ...(["ready", "readied"] as const),
];

/**
 * Waits until a node is about to send a message that tells something, then strikes it or the receiver; some such messages
 * are spared.
 */
export function onMessage(act: (node: SimNode, stage: Stage, random: Random) => void): Fault {
  return onNode((node, stage, random) => {
    const [leaves, atSender] = [random.chance(0.5), random.chance(0.6)];
    const [type, spared] = [random.pick(TELLING), random.integer(0, 2)];
    stage.aims.arm({
      isIt: ({ from, message }) => from === node && message.type === type,
      spared,
      strike: ({ to }) => {
        const victim = atSender ? node : to;
        if (leaves) later(stage, random, 0, 0, () => act(victim, stage, random));
        else act(victim, stage, random);
        return leaves;
      },
    });
  });
}

export function isolate(host: Host, stage: Stage, random: Random): boolean {
  const others = stage.nodes.map((node) => node.host).filter((other) => other !== host);
  return cutFor(
    stage,
    random,
    others.flatMap((other) => [[host, other] as const, [other, host] as const]),
  );
}
