// A process that listens or dials, for interop.test.ts. It prints one line per fact and ends with its parent.
//   peer.ts listen        echoes; prints its url, then the reason of each end
//   peer.ts echo          echoes and keeps nothing, for the benchmark; prints its url
//   peer.ts dial URL      sends frames, compares their echoes, closes; prints "echoed N" and the reason
//   peer.ts leave         talks to itself, closes everything and must then end by itself
import { pathToFileURL } from "node:url";
import { webSocket } from "../../transports/websocket.ts";
import { assertSameBytes, bareEcho, dial, echo, listen, pair, pattern, type Recorder } from "./recorder.ts";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Sends frames of many sizes and waits for them to come back unchanged. */
export async function converse(end: Recorder): Promise<number> {
  const sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20, ...Array.from({ length: 200 }, (_, index) => index)];
  for (const [number, size] of sizes.entries()) end.connection.send(pattern(size, number));
  await end.has(sizes.length);
  for (const [number, size] of sizes.entries()) assertSameBytes(end.frames[number], pattern(size, number), `${size}`);
  return sizes.length;
}

async function main(mode: string | undefined, url: string | undefined): Promise<void> {
  if (mode !== "leave") {
    process.stdin.on("end", () => process.exit());
    process.stdin.resume();
  }
  if (mode === "listen") await stand();
  else if (mode === "echo") say((await webSocket().listen("ws://127.0.0.1:0", bareEcho)).url);
  else if (mode === "dial" && url !== undefined) await visit(url);
  else if (mode === "leave") await leave();
  else throw new Error("peer.ts listen | echo | dial URL | leave");
}

async function stand(): Promise<void> {
  const { listener } = await listen(webSocket(), "ws://127.0.0.1:0", (taken) => {
    echo(taken);
    taken.isClosed().then(
      ({ reason }) => say(`ended ${reason}`),
      () => {},
    );
  });
  say(listener.url);
}

async function visit(url: string): Promise<void> {
  const dialer = dial(webSocket(), url);
  await dialer.isOpen();
  say(`echoed ${await converse(dialer)}`);
  dialer.connection.close("that was all");
  say(`ended ${(await dialer.isClosed()).reason}`);
  process.exit();
}

async function leave(): Promise<void> {
  const place = await listen(webSocket(), "ws://127.0.0.1:0", echo);
  const refused = dial(webSocket(), "ws://127.0.0.1:1");
  const [graceful] = await pair(webSocket(), place);
  const [left] = await pair(webSocket(), place);
  await converse(graceful);
  graceful.connection.close("done");
  await graceful.isClosed();
  await place.listener.close();
  await Promise.all([left.isClosed(), refused.isClosed()]);
  say("all closed");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(process.argv[2], process.argv[3]);
