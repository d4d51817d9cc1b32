/** Nodes of the program in processes of their own, and its commands in this one. */
import { join } from "node:path";
import { commands } from "../../src/entry/cli/commands.ts";
import { runProgram } from "../../src/entry/cli/program.ts";
import { recordingTerminal } from "../cli/recording-terminal.ts";
import { Child } from "../harness/child.ts";
import { freePorts } from "../harness/ports.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { getRuntime, type RuntimeName, root } from "../runtimes.ts";

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

/** One node on each. */
const runtimes: readonly RuntimeName[] = ["node", "bun", "deno"];

/** A cluster of the program's nodes over directories. */
export class Nodes {
  readonly urls: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #children: Map<string, Child> = new Map();

  constructor(urls: Readonly<Record<string, string>>, folder: string) {
    this.urls = urls;
    this.#folder = folder;
  }

  static async make(folder: string, ids: readonly string[]): Promise<Nodes> {
    const ports = await freePorts(ids.length);
    return new Nodes(Object.fromEntries(ids.map((id, index) => [id, `ws://127.0.0.1:${ports[index]}`])), folder);
  }

  /** As `--cluster` takes it. */
  get list(): string {
    return Object.entries(this.urls)
      .map(([id, url]) => `${id}=${url}`)
      .join(",");
  }

  directoryOf(id: string): string {
    return join(this.#folder, id);
  }

  start(id: string): Child {
    const quick = ["--heartbeat-ms", "60", "--suspect-ms", "1000", "--snapshot-every-bytes", "20000"];
    const data = ["--data", this.directoryOf(id), "--json", "--with-parent"];
    const args = ["serve", "--id", id, "--cluster", this.list, ...data, ...quick];
    const runtime = getRuntime(runtimes[Object.keys(this.urls).indexOf(id) % runtimes.length]!);
    const child = new Child(id, runtime, join(root, "src/entry/cli.ts"), args);
    this.#children.set(id, child);
    return child;
  }

  startAll(): Child[] {
    return Object.keys(this.urls).map((id) => this.start(id));
  }

  async stopAll(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const running = [...this.#children.values()];
    this.#children.clear();
    for (const child of running) child.signal(signal);
    await within(PROCESS_START_MS, "all end", Promise.all(running.map(({ exited }) => exited)));
  }
}
