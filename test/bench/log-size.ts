/**
 * How large the data of a node gets under writes that go on and on: `node --import tsx test/bench/log-size.ts [seconds]`.
 * The state stays small (1000 keys); what grows could only be the log.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../src/entry/client.ts";
import { startReplica } from "../../src/entry/replica.ts";
import { kv } from "../../src/machine/kv.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { webSocket } from "../../transports/websocket.ts";

const seconds = Number(process.argv[2] ?? 60);
const directory = mkdtempSync(join(tmpdir(), "viewstamp-size-"));
const transport = webSocket();
const AT_ONCE = 256;

function mib(): number {
  const sizeOf = (name: string): number => statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
  return readdirSync(directory).reduce((sum, name) => sum + sizeOf(name), 0) / 2 ** 20;
}

const replica = await startReplica({
  id: "a",
  cluster: { a: "ws://127.0.0.1:0" },
  machine: kv,
  storage: fileStorage(directory),
  transport,
});
const client = await connect({ cluster: [replica.url], machine: kv, transport });
try {
  const end = performance.now() + seconds * 1000;
  let written = 0;
  let largest = 0;
  let halfway = 0;
  while (performance.now() < end) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, () => {
        written++;
        return client.put({ key: `k${written % 1000}`, value: "x".repeat(1000) });
      }),
    );
    largest = Math.max(largest, mib());
    if (performance.now() < end - (seconds * 1000) / 2) halfway = largest;
  }
  const [total, at] = [((written * 1000) / 2 ** 20).toFixed(0), mib().toFixed(1)];
  console.log(`${written} puts, ${total} MiB of values in ${seconds} s`);
  console.log(
    `largest data ${halfway.toFixed(1)} MiB in the first half, ${largest.toFixed(1)} MiB in all, ${at} MiB at the end`,
  );
} finally {
  await client.close();
  await replica.stop();
  rmSync(directory, { recursive: true, force: true });
}
