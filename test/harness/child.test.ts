import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { getRuntime, root } from "../runtimes.ts";
import { Child } from "./child.ts";
import { PROCESS_START_MS, within } from "./within.ts";

const file = join(root, "test/harness/fake-child.ts");
const children: Child[] = [];
const life = suite("a child of the harness");

async function start(): Promise<Child> {
  const child = new Child("fake", getRuntime("bun"), file);
  children.push(child);
  await within(
    PROCESS_START_MS,
    "ready",
    child.waitFor(({ event }) => event === "ready"),
  );
  return child;
}

async function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "",
    (error: Error) => error.message,
  );
}

life("tells facts, which wait for whoever asks later", async () => {
  const child = await start();
  child.say({ event: "one" });
  child.say({ event: "two" });
  await child.waitFor(({ event }) => event === "two");
  assert.is((await child.waitFor(({ event }) => event === "one")).event, "one");
  assert.match(child.complaints, "not JSON");
});

life("that dies on its own is noticed, after its last words", async () => {
  const child = await start();
  child.say({ event: "last" });
  child.say({ event: "die" });
  const never = failureOf(child.waitFor(({ event }) => event === "never"));
  assert.equal(await child.exited, { code: null, signal: "SIGKILL" });
  assert.is((await child.waitFor(({ event }) => event === "last")).event, "last");
  assert.is(await never, "fake has ended");
  assert.is(await failureOf(child.waitFor(({ event }) => event === "never")), "fake has ended");
});

life("that is stopped can still be killed", async () => {
  const child = await start();
  child.signal("SIGSTOP");
  child.signal("SIGKILL");
  assert.is((await child.exited).signal, "SIGKILL");
});

life("that cannot start is noticed", async () => {
  const missing = { name: "node", version: "0", command: ["/nowhere/node"] } as const;
  const child = new Child("missing", missing, file);
  assert.equal(await child.exited, { code: null, signal: null });
  assert.match(child.complaints, "ENOENT");
});

life("a limit on waiting says what was waited for", async () => {
  const failure = failureOf(within(1, "the world ends", new Promise(() => {})));
  assert.match(await failure, "not within 1 ms: the world ends");
});

life.after(async () => {
  for (const child of children) if (!child.ended) child.signal("SIGKILL");
  await Promise.all(children.map(({ exited }) => exited));
});

life.run();
