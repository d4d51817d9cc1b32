// A child process that tells facts as JSON lines on stdout. Facts are kept, so that a test can wait for one that has
// already come; every child is killed with its parent.
import { type ChildProcess, spawn } from "node:child_process";
import type { Runtime } from "../runtimes.ts";
import type { Fact } from "./control.ts";
import { commandFor } from "./program.ts";

const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

interface Waiter {
  readonly matches: (fact: Fact) => boolean;
  readonly resolve: (fact: Fact) => void;
  readonly reject: (error: Error) => void;
}

export class Child {
  readonly name: string;
  /** Resolves when it has ended, however. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly facts: Fact[] = [];
  /** What it wrote that is no fact: warnings, stacks. */
  complaints = "";
  ended = false;
  readonly #process: ChildProcess;
  readonly #waiters = new Set<Waiter>();
  #partOfLine = "";

  constructor(name: string, runtime: Runtime, file: string, args: readonly string[] = []) {
    this.name = name;
    const [binary = "", ...before] = commandFor(runtime, file);
    this.#process = spawn(binary, [...before, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    });
    living.add(this.#process);
    this.#process.stdout!.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.complaints += text;
    });
    // A child that is gone can't read what it is told; its exit says so.
    this.#process.stdin!.on("error", () => {});
    this.exited = new Promise((resolve) => {
      this.#process.on("error", (error) => {
        this.complaints += `${error}\n`;
        this.#end();
        resolve({ code: null, signal: null });
      });
      // `close` and not `exit`: by then its last lines have come through the pipe.
      this.#process.on("close", (code, signal) => {
        this.#end();
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** The first fact that matches, of those told from number `since` on. Rejects if the child ends first. */
  waitFor(matches: (fact: Fact) => boolean, since = 0): Promise<Fact> {
    const known = this.facts.slice(since).find(matches);
    if (known !== undefined) return Promise.resolve(known);
    if (this.ended) return Promise.reject(new Error(`${this.name} has ended`));
    return new Promise((resolve, reject) => {
      this.#waiters.add({ matches, resolve, reject });
    });
  }

  say(line: object): void {
    this.#process.stdin!.write(`${JSON.stringify(line)}\n`);
  }

  /** By its number and not by `ChildProcess.kill`, which on Deno knows no signal after the first. */
  signal(name: NodeJS.Signals): void {
    try {
      if (!this.ended) process.kill(this.#process.pid!, name);
    } catch (error) {
      // It has ended in this moment, and we have not been told yet.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  #read(text: string): void {
    const lines = (this.#partOfLine + text).split("\n");
    this.#partOfLine = lines.pop()!;
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    const fact = parseFact(line);
    if (fact === undefined) {
      this.complaints += `${line}\n`;
      return;
    }
    this.facts.push(fact);
    for (const waiter of this.#waiters) {
      if (!waiter.matches(fact)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(fact);
    }
  }

  #end(): void {
    if (this.ended) return;
    this.ended = true;
    living.delete(this.#process);
    for (const { reject } of this.#waiters) reject(new Error(`${this.name} has ended`));
    this.#waiters.clear();
  }
}

function parseFact(line: string): Fact | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Fact;
  } catch {
    return undefined;
  }
}
