/**
 * A holder is paused for longer than its lock lasts, the next one writes, the first wakes up and writes too. With a fence
 * its write is refused; without one it is not:
 *
 *     node --import tsx examples/fencing/main.ts
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { memoryStorage, startReplica, ViewstampError } from "viewstamp";
import { connectLocks, fence, locks } from "viewstamp/locks";
import { webSocket } from "viewstamp/transports/websocket";
import { Child } from "../../test/harness/child.ts";
import { freePorts } from "../../test/harness/ports.ts";
import { within } from "../../test/harness/within.ts";
import { getRuntime } from "../../test/runtimes.ts";

const started = performance.now();
function tell(text: string): void {
  console.log(`${String(Math.round(performance.now() - started)).padStart(6)} ms  ${text}`);
}

/** Two ledgers for the same entries: one behind a fence, one that believes whoever comes. */
const guard = fence();
const fenced: string[] = [];
const open: string[] = [];

function write(entry: string, token: bigint): "written" | "refused" {
  open.push(entry);
  try {
    guard.check("ledger", token);
  } catch (error) {
    if (error instanceof ViewstampError && error.code === "Fenced") {
      tell(`REFUSED "${entry}": ${error.message}`);
      return "refused";
    }
    throw error;
  }
  fenced.push(entry);
  tell(`written "${entry}" under token ${token}`);
  return "written";
}

const [a, b, c] = await freePorts(3);
const cluster = { a: `ws://127.0.0.1:${a}`, b: `ws://127.0.0.1:${b}`, c: `ws://127.0.0.1:${c}` };
const replicas = await Promise.all(
  Object.keys(cluster).map((id) =>
    startReplica({ id, cluster, machine: locks, storage: memoryStorage(), transport: webSocket() }),
  ),
);
const urls = Object.values(cluster);
const holder = new Child("holder", getRuntime("node"), fileURLToPath(new URL("holder.ts", import.meta.url)), urls);
const next = await connectLocks({ cluster: urls, owner: "next" });

async function said(event: string): Promise<bigint> {
  const fact = await within(
    60_000,
    `the holder says: ${event}`,
    holder.waitFor((fact) => fact.event === event),
  );
  return BigInt(fact["token"] as string);
}

try {
  const first = await said("held");
  write("opening balance", first);
  tell(`SIGSTOP for the holder (process ${holder.pid}): its lock lasts one second of silence`);
  holder.signal("SIGSTOP");
  // It finds this when it wakes.
  holder.say({ event: "write" });
  await using second = await next.acquire("ledger", { timeoutMs: 60_000 });
  tell(`the next client has the lock, token ${second.token}`);
  write("a payment", second.token);
  tell("SIGCONT: the holder wakes up, and does not look whether it still holds the lock");
  holder.signal("SIGCONT");
  const outcome = write("an old balance over it", await said("write"));
  const isRight = outcome === "refused" && second.token > first && fenced.at(-1) === "a payment";
  tell(`behind the fence the ledger ends with "${fenced.at(-1)}", without it with "${open.at(-1)}"`);
  tell(isRight ? "as it should be" : "THE FENCE DID NOT HOLD");
  process.exitCode = isRight ? 0 : 1;
} finally {
  holder.signal("SIGKILL");
  await next.close();
  await Promise.all(replicas.map((replica) => replica.stop()));
}
