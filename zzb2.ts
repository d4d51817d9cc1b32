const cpu=()=>{const c=process.cpuUsage();return (c.user+c.system)/1000};
import { LockClient } from "./src/locks/client.ts";
import { World } from "./test/locks/world.ts";
import { systemEnvironment } from "./src/entry/environment.ts";
import { momentOf, Trust } from "./src/client/trust.ts";
const world = new World({ cache: {} });
const { core } = world.client();
// real clocks over the fake core
const trust = new Trust(systemEnvironment, 10_000, momentOf(systemEnvironment), 1);
const session = { id: "1.1", ttlMs: 10_000, get trustedUntil() { return trust.until; } };
const real = {
  environment: systemEnvironment,
  get session() { trust.confirm(momentOf(systemEnvironment), 1); return trust.isOver() ? undefined : session; },
  openSession: () => Promise.resolve(session),
  execute: (_m: string, c: string) => Promise.resolve(c === "acquire" ? { status: "granted", token: 1n << 30n, keep: 1 << 24 } : c === "refill" ? { token: 1n << 60n, keep: 1 << 24 } : true),
  ask: () => Promise.resolve(),
  onNotice: () => () => {},
  onSession: () => () => {},
  close: () => Promise.resolve(),
};
void core;
const locks = new LockClient(real as never);
for (let r = 0; r < 5; r++) {
  const N = 2e6;
  let t = cpu();
  for (let i = 0; i < N; i++) { const l = await locks.acquire("x"); await l.release(); }
  let d = cpu() - t;
  console.log("acquire/release", (N / d / 1000).toFixed(2), "M/s");
  t = cpu();
  for (let i = 0; i < 0; i++) await locks.request("x", () => {});
  d = cpu() - t;
  console.log("request", (N / 10 / d / 1000).toFixed(2), "M/s");
}
await locks.close();
process.exit(0);
