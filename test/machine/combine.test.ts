import { test } from "uvu";
import * as assert from "uvu/assert";
import { startCluster } from "../../mod.ts";
import { combine } from "../../src/machine/combine.ts";
import { defineMachine } from "../../src/machine/define.ts";
import { kv } from "../../src/machine/kv.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";

const other = defineMachine({ name: "other", version: 1, init: () => ({}), commands: {}, queries: {} });

test("combined machines run side by side, each under its own name", async () => {
  const cluster = await startCluster({ nodes: 1, machines: combine(other, kv) });
  const client = await cluster.connect();
  await client.kv.put({ key: "greeting", value: "hello" });
  const found = await client.kv.get("greeting");
  await client.close();
  await cluster.close();
  assert.is(found?.value, "hello");
});

test("two machines of one name, or none at all, are refused", () => {
  const refused = (error: unknown): boolean => error instanceof ViewstampError && error.code === "InvalidOptions";
  assert.throws(() => combine(kv, kv), refused);
  assert.throws(() => combine(), refused);
});

test.run();
