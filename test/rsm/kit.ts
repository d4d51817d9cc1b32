/**
 * What the stories share: a founded cluster, and what a client says and hears.
 * @module
 */
import type { Reply, ServerMessage } from "../../src/protocol/client-messages.ts";
import type { CoreOptions } from "../../src/protocol/options.ts";
import type { Viewstamp } from "../../src/protocol/view.ts";
import { type Programs, World } from "./world.ts";

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (body: Uint8Array): string => new TextDecoder().decode(body);

/** A world whose nodes have founded their cluster: the first of them is primary. */
export function start(ids: readonly string[], options: Partial<CoreOptions> = {}, programs: Programs = {}): World {
  const world = new World(ids, options, undefined, programs);
  world.until("the founder is active", () => world.node(ids[0] as string).core.isTaking);
  world.until("all know view 1", () => ids.every((id) => world.members(id) === ids.join("")));
  return world;
}

export function answers<T extends ServerMessage["type"]>(
  world: World,
  id: string,
  type: T,
): Extract<ServerMessage, { type: T }>[] {
  type Wanted = Extract<ServerMessage, { type: T }>;
  return world.node(id).answers.filter((message): message is Wanted => message.type === type);
}

/** The last answer of this type. */
export function answer<T extends ServerMessage["type"]>(
  world: World,
  id: string,
  type: T,
): Extract<ServerMessage, { type: T }> {
  const found = answers(world, id, type).at(-1);
  if (found === undefined) throw new Error(`no ${type} at ${id}`);
  return found;
}

export function replies(world: World, id: string): Reply[] {
  return answers(world, id, "reply");
}

export function open(world: World, id: string, ttlMs = 10_000): Viewstamp {
  world.client(id, { type: "open", xid: 1, ttlMs });
  world.run(50);
  return answer(world, id, "opened").session;
}

export function request(
  world: World,
  id: string,
  session: Viewstamp,
  number: number,
  body = `c${number}`,
  acknowledgedThrough: number = number - 1,
): void {
  world.client(id, { type: "request", session, number, acknowledgedThrough, skip: false, body: bytes(body) });
}

/** How often a rare path was taken at this node. */
export function pathCount(world: World, id: string, name: string): number {
  return world.node(id).happened.filter((what) => what.event === "path" && what.name === name).length;
}

/** The version that this node runs. */
export function versionAt(world: World, id: string): number | undefined {
  return world.node(id).machine.versions[0]?.version;
}

/** Stops a node and waits until the others serve without it. */
export function loseNode(world: World, lost: string, primary: string, members: string): void {
  world.kill(lost);
  world.until(`view ${members}`, () => [...members].every((id) => world.members(id) === members));
  world.until(`${primary} takes requests`, () => world.node(primary).core.isTaking);
}
