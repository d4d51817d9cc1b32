// Clients that die or stand still with a lock, and notices that are lost (scenarios 28 to 30).
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AcquiredLock } from "../../../src/locks/client-types.ts";
import { decodeNotice } from "../../../src/protocol/calls.ts";
import type { ServerMessage } from "../../../src/protocol/client-messages.ts";
import { scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { TTL_MS, type Visitor } from "./visitor.ts";

const three = { nodes: 3 };
/** Without a cache nothing is revoked, and nobody is asked. */
const keeping = { nodes: 3, cache: {} };

/** After this long on a network without faults a request is in line. */
const IN_LINE_MS = 100;

scenario(28, "a client dies holding a lock, others wait", three, async (s) => {
  const holder = s.visitor();
  const waiting = [s.visitor(), s.visitor(), s.visitor()];
  const held = await s.within("the lock is granted", holder.locks.acquire("house"));
  const granted: number[] = [];
  await s.within("sessions are open", Promise.all(waiting.map(({ core }) => core.openSession())));
  for (const [index, { locks }] of waiting.entries()) {
    void locks.request("house", () => granted.push(index));
    await s.passes(s.random.between(IN_LINE_MS, 2 * IN_LINE_MS));
  }
  await s.passes(s.random.between(0, TTL_MS));
  holder.die();
  await s.until("the next has the lock", () => granted.length > 0, TTL_MS + 1_000);
  await s.until("all have had the lock", () => granted.length === waiting.length);
  assert.equal(granted, [0, 1, 2]);
  assert.ok(held.token > 0n);
  await s.writableView("abc");
  assert.is(s.newest.vid, 1, "no replica is hurt");
});

/** A resource that refuses whoever comes with an older token than the newest it has seen. */
class Guarded {
  #newest = -1n;

  write(token: bigint): boolean {
    if (token < this.#newest) return false;
    this.#newest = token;
    return true;
  }
}

scenario(29, "a holder is paused beyond its session's TTL, then wakes", three, async (s) => {
  const holder = s.visitor();
  const other = s.visitor();
  const resource = new Guarded();
  const held = await s.within("the lock is granted", holder.locks.acquire("house"));
  const { signal } = held;
  assert.ok(resource.write(held.token));
  const next = other.locks.acquire("house");
  await s.passes(s.random.between(0, 500));
  holder.host.pause();
  const lock = await s.within("the lock is granted to the other", next, TTL_MS + 1_000);
  assert.ok(resource.write(lock.token));
  await s.passes(s.random.between(0, 3_000));
  let wasAborted: boolean | undefined;
  s.moments.beforeSpeaking(holder.host, () => (wasAborted = signal.aborted));
  // What the process does first on waking may be its own code, or what the library has waiting.
  if (s.random.chance(0.5)) assert.throws(() => held.assertHeld());
  holder.host.resume();
  assert.ok(held.signal.aborted, "whoever asks for the signal is told at once");
  assert.throws(() => held.assertHeld());
  assert.not(resource.write(held.token), "its old token is refused");
  lock.assertHeld();
  const again = holder.locks.acquire("house");
  await s.within("the lock is given back", lock.release());
  assert.ok((await s.within("the woken client has it again", again)).token > lock.token);
  assert.ok(wasAborted, "the signal was aborted before the library said anything");
});

function isNotice(message: ServerMessage, type: string): boolean {
  return message.type === "notice" && (decodeNotice(message.body).value as { type: string }).type === type;
}

/** The primary dies when it is about to tell this client this. */
async function noticeIsLost(s: Stage, type: string, client: Visitor, act: () => void): Promise<void> {
  s.moments.diesBeforeTelling("a", (message, to) => to === client.host && isNotice(message, type));
  act();
  await s.until(`the notice "${type}" is lost with the primary`, () => !s.node("a").up);
}

scenario(30, 'the notice "granted" is lost with the primary', three, async (s) => {
  const [holder, waiter] = [s.visitor(), s.visitor()];
  const held = await s.within("the lock is granted", holder.locks.acquire("house"));
  const next = waiter.locks.acquire("house");
  await s.passes(s.random.between(IN_LINE_MS, 5 * IN_LINE_MS));
  await noticeIsLost(s, "granted", waiter, () => void held.release());
  await s.within("the new primary says it again", next);
  await s.writableView("bc");
});

scenario(30, 'the notice "revoke" is lost with the primary', keeping, async (s) => {
  const [keeper, waiter] = [s.visitor(), s.visitor()];
  const kept = await s.within("the lock is granted", keeper.locks.acquire("house"));
  const isInUse = s.random.chance(0.5);
  if (!isInUse) await s.within("the lock is given back, and kept", kept.release());
  await s.within("a session is open", waiter.core.openSession());
  let next: Promise<AcquiredLock> | undefined;
  await noticeIsLost(s, "revoke", keeper, () => {
    next = waiter.locks.acquire("house");
  });
  // Nothing but the notice can bring it back: neither session ends, and it is not idle for long enough.
  if (isInUse) {
    await s.writableView("bc");
    kept.assertHeld();
    await s.passes(s.random.between(0, 1_000));
    await s.within("the lock is given back", kept.release());
  }
  const lock = await s.within("the new primary says it again", next as Promise<AcquiredLock>);
  assert.ok(lock.token > kept.token);
  await s.writableView("bc");
});

scenario(30, 'the question "revoke, and say what you use" is lost with the primary', keeping, async (s) => {
  const [keeper, other] = [s.visitor(), s.visitor()];
  const kept = await s.within("the lock is granted", keeper.locks.acquire("house"));
  const isInUse = s.random.chance(0.5);
  if (!isInUse) await s.within("the lock is given back, and kept", kept.release());
  await s.within("a session is open", other.core.openSession());
  let answer: Promise<AcquiredLock | null> | undefined;
  await noticeIsLost(s, "revoke", keeper, () => {
    answer = other.locks.acquire("house", { ifAvailable: true });
  });
  const lock = await s.within("the new primary asks again", answer as Promise<AcquiredLock | null>);
  assert.is(lock === null, isInUse);
  await s.writableView("bc");
});

scenario(30, 'the notice "declined" is lost with the primary', keeping, async (s) => {
  const [keeper, other] = [s.visitor(), s.visitor()];
  await s.within("the lock is granted", keeper.locks.acquire("house"));
  await s.within("a session is open", other.core.openSession());
  let answer: Promise<AcquiredLock | null> | undefined;
  await noticeIsLost(s, "declined", other, () => {
    answer = other.locks.acquire("house", { ifAvailable: true });
  });
  assert.is(await s.within("the new primary says it again", answer as Promise<AcquiredLock | null>), null);
  await s.writableView("bc");
});

scenario(30, 'the notice "stolen" is lost with the primary', three, async (s) => {
  const [robbed, thief] = [s.visitor(), s.visitor()];
  const held = await s.within("the lock is granted", robbed.locks.acquire("house"));
  let stolen: Promise<unknown> = Promise.resolve();
  await noticeIsLost(s, "stolen", robbed, () => {
    stolen = thief.locks.acquire("house", { steal: true });
  });
  await s.until("the new primary says it again", () => held.signal.aborted);
  await s.within("the thief has the lock", stolen);
  await s.writableView("bc");
});

test.run();
