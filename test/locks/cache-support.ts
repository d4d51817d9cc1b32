/**
 * Clients that keep locks, for their tests.
 * @module
 */
import type { LockClient } from "../../src/locks/client.ts";
import type { AcquiredLock } from "../../src/locks/client-types.ts";
import { inTime } from "./support.ts";
import { World } from "./world.ts";

export interface Guest {
  readonly locks: LockClient;
  readonly core: ReturnType<World["client"]>["core"];
}

export function setUp(options: ConstructorParameters<typeof World>[0] = {}): { world: World; a: Guest; b: Guest } {
  const world = new World({ cache: {}, ...options });
  return { world, a: world.client("a"), b: world.client("b") };
}

/** The client has the lock, in use. */
export function use(
  world: World,
  { locks }: Guest,
  name = "x",
  mode: "exclusive" | "shared" = "exclusive",
): Promise<AcquiredLock> {
  return inTime(world, locks.acquire(name, { mode }));
}

/** The client keeps the lock, and does not use it. */
export async function keep(
  world: World,
  guest: Guest,
  name = "x",
  mode: "exclusive" | "shared" = "exclusive",
): Promise<bigint> {
  const lock = await use(world, guest, name, mode);
  await inTime(world, lock.release());
  await world.clock.advance(5);
  return lock.token;
}
