/**
 * A process that takes the lock, and later writes under it without a look at `lock.signal` or the clock: the holder that
 * a lock alone cannot stop. It speaks in JSON lines.
 * @module
 */
import { createInterface } from "node:readline";
import { connectLocks } from "viewstamp/locks";

const locks = await connectLocks({ cluster: process.argv.slice(2), owner: "holder", sessionTtlMs: 1000 });
const lock = await locks.acquire("ledger");
const { token } = lock;
createInterface({ input: process.stdin }).on("line", () => {
  console.log(JSON.stringify({ event: "write", token: String(token) }));
});
console.log(JSON.stringify({ event: "held", token: String(token) }));
