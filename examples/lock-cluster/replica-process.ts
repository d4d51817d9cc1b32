/**
 * One replica as a process of its own: `viewstamp serve --json`, on any runtime. It tells what happens as JSON lines.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Runtime } from "../../test/runtimes.ts";

/** The program `viewstamp`, from source. */
export const program: string = fileURLToPath(new URL("../../src/entry/cli.ts", import.meta.url));

/** A line of `serve --json`. */
export interface Fact {
  readonly event: string;
  readonly vid?: number;
  readonly members?: readonly string[];
  readonly primary?: string;
}

export interface Place {
  readonly id: string;
  readonly url: string;
  readonly data: string;
  /** What `--cluster` says. */
  readonly cluster: string;
}

/** A graceful stop takes about a second at most. */
const stopMs = 5_000;

type Listener = (fact: Fact) => void;

export class ReplicaProcess {
  readonly place: Place;
  readonly runtime: Runtime;
  readonly #listeners = new Set<Listener>();
  #child: ChildProcess | undefined;
  #complaints = "";

  constructor(place: Place, runtime: Runtime) {
    this.place = place;
    this.runtime = runtime;
  }

  get id(): string {
    return this.place.id;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process; what happens is told to the listeners. */
  start(): void {
    const { id, data, cluster } = this.place;
    const [file = "", ...before] = this.runtime.command;
    const args = [program, "serve", "--id", id, "--cluster", cluster, "--data", data, "--json", "--with-parent"];
    const child = spawn(file, [...before, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" },
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => this.#tell(JSON.parse(line) as Fact));
    child.stderr.on("data", (text: Uint8Array) => {
      this.#complaints += new TextDecoder().decode(text);
    });
    child.on("error", (error) => {
      this.#complaints += String(error);
    });
    child.on("close", () => this.#tell({ event: "gone" }));
  }

  onFact(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The next fact that matches. Rejects if the process ends before, or none comes in time. */
  next(matches: (fact: Fact) => boolean, limitMs: number): Promise<Fact> {
    return new Promise((resolve, reject) => {
      const stop = this.onFact((fact) => {
        if (matches(fact)) resolve(fact);
        else if (fact.event === "gone") reject(new Error(`replica ${this.id} has ended\n${this.#complaints}`));
        else return;
        stop();
        clearTimeout(limit);
      });
      const limit = setTimeout(() => {
        stop();
        reject(new Error(`replica ${this.id} did not get there within ${limitMs} ms\n${this.#complaints}`));
      }, limitMs);
    });
  }

  /** SIGKILL: no hand-over, no last word. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM: it hands over and stops; one that hangs is killed. */
  async stop(): Promise<void> {
    const limit = setTimeout(() => this.#child?.kill("SIGKILL"), stopMs);
    await this.#end("SIGTERM");
    clearTimeout(limit);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill(signal);
    await gone;
  }

  #tell(fact: Fact): void {
    for (const listener of [...this.#listeners]) listener(fact);
  }
}
