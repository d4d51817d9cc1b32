// Round trips per second over one connection: node --import tsx test/bench/transport.ts [SECONDS]
// WebSocket runs against an echoing process of each runtime, memory within this one.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Transport } from "../../src/protocol/transport.ts";
import { memory } from "../../transports/memory.ts";
import { webSocket } from "../../transports/websocket.ts";
import { getRuntime } from "../runtimes.ts";
import { bareEcho, eventually, pattern } from "../transports/recorder.ts";

const frameBytes = 128;
const seconds = Number(process.argv[2] ?? 2);
const peer = fileURLToPath(new URL("../transports/peer.ts", import.meta.url));

/** Keeps `inFlight` frames going round for the given time. */
async function roundTrips(transport: Transport, url: string, inFlight: number, ms: number): Promise<number> {
  let count = 0;
  const frame = pattern(frameBytes, 1);
  const connection = transport.dial(url, {
    opened: () => {
      for (let sent = 0; sent < inFlight; sent++) connection.send(frame);
    },
    received: () => {
      count++;
      connection.send(frame);
    },
    closed: () => {},
  });
  const startedAt = performance.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  connection.close("enough", true);
  return count / ((performance.now() - startedAt) / 1_000);
}

async function measure(name: string, transport: Transport, url: string): Promise<void> {
  for (const inFlight of [1, 64]) {
    await roundTrips(transport, url, inFlight, 300);
    const rate = await roundTrips(transport, url, inFlight, seconds * 1_000);
    const each = ((inFlight / rate) * 1e6).toFixed(1);
    console.log(
      `${name.padEnd(20)} ${String(inFlight).padStart(3)} in flight ${rate.toFixed(0).padStart(8)}/s ${each} µs each`,
    );
  }
}

const network = memory();
const listener = await network.listen("memory://echo", bareEcho);
await measure("memory", network, listener.url);

for (const name of ["node", "bun", "deno"] as const) {
  const [file = "", ...before] = getRuntime(name).command;
  const child = spawn(file, [...before, peer, "echo"], { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk: Uint8Array) => (said += new TextDecoder().decode(chunk)));
  await eventually(`${name} listens`, () => said.includes("\n"));
  const url = said.split("\n", 1)[0]!;
  await measure(`WebSocket to ${name}`, webSocket(), url);
  child.kill("SIGKILL");
}
await listener.close();
