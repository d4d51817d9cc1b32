// The program against real nodes, on the runtime that runs the test. Commands run in this process, nodes in their own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { commands } from "../../src/entry/cli/commands.ts";
import { runProgram } from "../../src/entry/cli/program.ts";
import { Child } from "../harness/child.ts";
import { freePorts } from "../harness/ports.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { getRuntime, type Runtime, root } from "../runtimes.ts";
import { recordingTerminal } from "./recording-terminal.ts";

export const folder: string = mkdtempSync(join(tmpdir(), "viewstamp-cli-"));
const children: Child[] = [];

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function viewstamp(...args: string[]): Promise<Ended> {
  const { terminal, data, messages } = recordingTerminal();
  const ended = runProgram(args, commands, terminal);
  const code = await within(PROCESS_START_MS, `viewstamp ${args.join(" ")} ends`, ended);
  return { code, out: data.join("\n"), err: messages.join("\n") };
}

function thisRuntime(): Runtime {
  if (process.versions["bun"] !== undefined) return getRuntime("bun");
  return getRuntime(process.versions["deno"] !== undefined ? "deno" : "node");
}

export function start(...args: string[]): Child {
  const child = new Child(args.join(" "), thisRuntime(), join(root, "src/entry/cli.ts"), args);
  children.push(child);
  return child;
}

export async function freeUrl(): Promise<string> {
  const [port] = await freePorts(1);
  return `ws://127.0.0.1:${port}`;
}

/** Starts a node of a cluster of its own, and waits until it takes requests. */
export async function serve(...args: string[]): Promise<[url: string, node: Child]> {
  const url = await freeUrl();
  const node = start("serve", "--id", "a", "--cluster", `a=${url}`, "--json", "--with-parent", ...args);
  const active = node.waitFor(({ event }) => event === "active");
  await within(PROCESS_START_MS, "a takes requests", active).catch((error: Error) => {
    throw new Error(`${error.message}\n${node.complaints}`);
  });
  return [url, node];
}

export function saysOnly({ code, out, err }: Ended, expected: number, text: RegExp): void {
  assert.is(code, expected, err);
  assert.is(out, "");
  assert.match(err, text);
  assert.not.match(err, /\n\s+at /, "no stack");
}

/** Ends every process and removes every file. */
export async function cleanUp(): Promise<void> {
  for (const child of children) child.signal("SIGKILL");
  await Promise.all(children.map(({ exited }) => exited));
  rmSync(folder, { recursive: true, force: true });
}
