// Ctrl-C in the middle of what makes files: nothing stays half made, and the second one ends the program at once.
import { mkdirSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commands } from "../../src/entry/cli/commands.ts";
import { interruptible } from "../../src/entry/cli/interruption.ts";
import { makeAll, replaceData } from "../../src/entry/cli/new-data.ts";
import { runProgram } from "../../src/entry/cli/program.ts";
import { firstView, type NewCluster } from "../../src/replica/new-cluster.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { recordingTerminal } from "./recording-terminal.ts";
import { cleanUp, folder, start } from "./support.ts";

const interruption = suite("an interrupted command");
const canSignal = process.platform !== "win32";

/** A node that takes connections and says nothing. */
async function silentNode(): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(() => {});
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as { port: number };
  return { url: `ws://127.0.0.1:${port}`, close: () => server.close() };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const look = async (): Promise<void> => {
    while (!holds()) await new Promise((again) => setTimeout(again, 5));
  };
  await within(PROCESS_START_MS, what, look());
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  (canSignal ? interruption : interruption.skip)(`snapshot save leaves nothing behind after ${signal}`, async () => {
    const directory = join(folder, signal);
    mkdirSync(directory);
    const node = await silentNode();
    const saving = start("snapshot", "save", join(directory, "state.backup"), "--cluster", node.url);
    await until("the file is begun", () => readdirSync(directory).length > 0);
    saving.signal(signal);
    const ended = await within(PROCESS_START_MS, "it ends", saving.exited);
    node.close();
    assert.equal(readdirSync(directory), []);
    assert.equal(ended, { code, signal: null }, saving.complaints);
    assert.match(saving.complaints, `viewstamp: ended by ${signal}`);
  });
}

(canSignal ? interruption : interruption.skip)("a second signal ends a program whose work does not end", async () => {
  const { exit } = process;
  const exits: unknown[] = [];
  process.exit = ((code: number) => exits.push(code)) as unknown as typeof exit;
  let isAsked = false;
  let end: () => void = () => {};
  try {
    const working = interruptible((interrupted) => {
      interrupted.addEventListener("abort", () => {
        isAsked = true;
      });
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    process.kill(process.pid, "SIGTERM");
    await until("it is asked to end", () => isAsked);
    assert.equal(exits, []);
    process.kill(process.pid, "SIGTERM");
    await until("it is ended", () => exits.length > 0);
    assert.equal(exits, [143]);
    end();
    await working;
  } finally {
    process.exit = exit;
  }
});

interruption("dev closes its nodes at the first signal, and ends at once at the second", async () => {
  const { exit } = process;
  const exits: unknown[] = [];
  process.exit = ((code: number) => exits.push(code)) as unknown as typeof exit;
  try {
    const { terminal, messages } = recordingTerminal();
    const running = runProgram(["dev", "--port", "0"], commands, terminal);
    await until("it takes requests", () => messages.some((line) => line.endsWith("taking requests in view 1")));
    process.emit("SIGINT");
    assert.equal(exits, []);
    process.emit("SIGINT");
    assert.equal(exits, [130]);
    assert.is(await within(PROCESS_START_MS, "it ends", running), 0);
  } finally {
    process.exit = exit;
  }
});

const members = ["a", "b"].map((id) => ({ id, incarnation: `i${id}`, url: `ws://${id}:1` }));

/** Of five chunks; `asked` is told of each. */
function clusterOf(asked: (index: number) => void): NewCluster {
  return {
    ...{ clusterId: "c1", view: firstView(members, 3), entries: [] },
    machines: { origin: [{ name: "kv", version: 1 }], promised: [] },
    snapshot: {
      ...{ at: { vid: 2, seqno: 7 }, count: 5 },
      chunk: (index, done) => {
        asked(index);
        setImmediate(() => done(undefined, Uint8Array.of(index)));
      },
    },
  };
}

interruption("new data that is given up is written no further, and nothing of it stays", async () => {
  const place = join(folder, "given-up");
  const old = join(place, "old");
  mkdirSync(old, { recursive: true });
  const wanted = members.map((member) => ({ directory: join(place, member.id), member }));
  for (const make of [
    (cluster: NewCluster, signal: AbortSignal) => makeAll(cluster, wanted, signal),
    (cluster: NewCluster, signal: AbortSignal) => replaceData(old, `${old}.kept`, cluster, members[0]!, signal),
  ]) {
    const controller = new AbortController();
    const asked: number[] = [];
    const cluster = clusterOf((index) => {
      asked.push(index);
      if (index === 2) controller.abort(new Error("given up"));
    });
    const error = await make(cluster, controller.signal).catch((fault) => fault);
    assert.is(error.message, "given up");
    assert.equal(asked, [0, 1, 2]);
    assert.equal(readdirSync(place), ["old"]);
  }
});

interruption.after(cleanUp);
interruption.run();
