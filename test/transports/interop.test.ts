// The runtime of this process against each of the others, as listener and as dialer, in real processes.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MAX_FRAME_BYTES } from "../../src/protocol/transport.ts";
import { webSocket } from "../../transports/websocket.ts";
import { getRuntime, type RuntimeName } from "../runtimes.ts";
import { converse } from "./peer.ts";
import { cleanUp, dial, echo, eventually, listen, within } from "./recorder.ts";

test.after.each(cleanUp);

const program = fileURLToPath(new URL("peer.ts", import.meta.url));
const here: RuntimeName = process.versions["bun"] ? "bun" : process.versions["deno"] ? "deno" : "node";
const others = (["node", "bun", "deno"] as const).filter((name) => name !== here);

interface Peer {
  readonly process: ChildProcess;
  /** Deno's `ChildProcess.kill` works once only. */
  kill(signal: NodeJS.Signals): void;
  line(start: string): Promise<string>;
  ended(): Promise<void>;
}

function start(runtime: RuntimeName, ...args: string[]): Peer {
  const [file = "", ...before] = getRuntime(runtime).command;
  // Its stdin is a pipe that ends with this process, and so does the child.
  const stdin = args[0] === "leave" ? "ignore" : "pipe";
  const child = spawn(file, [...before, program, ...args], { stdio: [stdin, "pipe", "inherit"] });
  const lines: string[] = [];
  let text = "";
  child.stdout!.on("data", (chunk: Uint8Array) => {
    text += new TextDecoder().decode(chunk);
    const complete = text.split("\n");
    text = complete.pop()!;
    lines.push(...complete);
  });
  const line = async (beginning: string): Promise<string> => {
    await eventually(`${runtime} says "${beginning}"`, () => lines.some((one) => one.startsWith(beginning)));
    return lines.find((one) => one.startsWith(beginning))!;
  };
  const ended = (): Promise<void> =>
    within(`${runtime} ends`, (done) => {
      if (hasEnded(child)) done();
      else child.once("exit", () => done());
    });
  return { process: child, kill: (signal) => process.kill(child.pid!, signal), line, ended };
}

async function withPeer(runtime: RuntimeName, args: string[], body: (peer: Peer) => Promise<void>): Promise<void> {
  const peer = start(runtime, ...args);
  try {
    await body(peer);
  } finally {
    if (!hasEnded(peer.process)) peer.kill("SIGKILL");
    await peer.ended();
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

for (const other of others) {
  test(`${here} dials ${other}`, () =>
    withPeer(other, ["listen"], async (peer) => {
      const dialer = dial(webSocket(), await peer.line("ws://"));
      await dialer.isOpen();
      await converse(dialer);
      dialer.connection.close("good bye");
      assert.is((await dialer.isClosed()).reason, "good bye");
      assert.is(await peer.line("ended"), "ended good bye");
    }));

  test(`${other} dials ${here}`, async () => {
    const place = await listen(webSocket(), "ws://127.0.0.1:0", echo);
    await withPeer(other, ["dial", place.listener.url], async (peer) => {
      assert.match(await peer.line("echoed"), /^echoed \d{3}$/);
      assert.is(await peer.line("ended"), "ended that was all");
      assert.is((await place.taken[0]!.isClosed()).reason, "that was all");
    });
    await place.listener.close();
  });

  test(`${here} sees at once that ${other} was killed: a redial is refused`, () =>
    withPeer(other, ["listen"], async (peer) => {
      const url = await peer.line("ws://");
      const dialer = dial(webSocket(), url);
      await dialer.isOpen();
      peer.kill("SIGKILL");
      assert.is((await dialer.isClosed()).refused, false);
      // A dial that meets the dying process can still be taken and then reset.
      let redials = 0;
      while (!(await dial(webSocket(), url).isClosed()).refused) assert.ok(++redials < 100, "none is refused");
    }));

  test(`${here} sees in queuedBytes that ${other} stands still, and delivers when it goes on`, () =>
    withPeer(other, ["listen"], async (peer) => {
      const dialer = dial(webSocket(), await peer.line("ws://"));
      await dialer.isOpen();
      peer.kill("SIGSTOP");
      const frames = 32;
      for (let sent = 0; sent < frames; sent++) dialer.connection.send(new Uint8Array(MAX_FRAME_BYTES));
      assert.ok(dialer.connection.queuedBytes > 8 * MAX_FRAME_BYTES, `${dialer.connection.queuedBytes}`);
      peer.kill("SIGCONT");
      await dialer.has(frames);
      await eventually("an empty queue", () => dialer.connection.queuedBytes === 0);
    }));
}

test(`${here} ends by itself when its transports are closed`, () =>
  withPeer(here, ["leave"], async (peer) => {
    await peer.line("all closed");
    await peer.ended();
    assert.is(peer.process.exitCode, 0);
  }));

test.run();
