// What the front doors say to whoever gives them something else than options.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { connect, startCluster, startReplica, ViewstampError } from "../../mod.ts";
import { kv } from "../../src/entry/kv.ts";
import { connectLocks } from "../../src/entry/locks.ts";
import { simulate } from "../../src/entry/simulator.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { webSocket } from "../../transports/websocket.ts";

async function refusalOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    assert.instance(error, ViewstampError);
    assert.is((error as ViewstampError).code, "InvalidOptions");
    return (error as ViewstampError).message;
  }
  throw new Error("it was taken");
}

const url = "ws://127.0.0.1:7001";
type Door = (options: never) => unknown;

for (const [name, door] of [
  ["connectLocks", connectLocks],
  ["connect", connect],
  ["startCluster", startCluster],
  ["startReplica", startReplica],
  ["simulate", simulate],
] as const) {
  test(`${name} says that it takes an object`, async () => {
    for (const options of [undefined, null, url, [url]])
      assert.match(await refusalOf(() => (door as Door)(options as never)), /object|missing/);
  });
}

test("connect names only the options that it has", async () => {
  const options = { cluster: [url], machine: kv, transport: webSocket(), timeout: 5 };
  const refusal = await refusalOf(() => connect(options));
  assert.match(refusal, /^connect has no option "timeout"; there are: cluster, machine, machines, transport, /);
  assert.not.match(refusal, "environment");
});

test("fileStorage wants a path, before anything is opened", async () => {
  for (const path of [undefined, "", 7]) assert.match(await refusalOf(() => fileStorage(path as string)), "the path");
});

test.run();
