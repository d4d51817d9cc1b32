// Runs one command in a process group of its own, with a wall-clock limit, and leaves nothing behind.
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { root } from "../runtimes.ts";

export interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly timedOut: boolean;
  readonly elapsedMs: number;
  /** Processes of its group that outlived it (they are killed). */
  readonly strays: number;
}

export interface RunOptions {
  readonly limitMs: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const live = new Set<ChildProcess>();
const drainMs = 1_000;
/** A helper that ends when its parent's pipe closes, as the one of tsx does, gets so long to notice. */
const noticeMs = 500;

export function runCommand(command: readonly string[], options: RunOptions): Promise<Outcome> {
  const [file = "", ...args] = command;
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", DENO_NO_UPDATE_CHECK: "1", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    live.add(child);
    let output = "";
    let timedOut = false;
    const collect = (chunk: Uint8Array): void => {
      output += new TextDecoder().decode(chunk);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const limit = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, options.limitMs);
    child.on("exit", () => {
      // A stray that holds the pipes open would keep `close` from ever coming.
      setTimeout(() => killGroup(child), drainMs).unref();
    });
    const finish = async (code: number | null, signal: string | null): Promise<void> => {
      clearTimeout(limit);
      const elapsedMs = performance.now() - startedAt;
      const strays = timedOut ? 0 : await groupIsGone(child, noticeMs);
      killGroup(child);
      await groupIsGone(child, drainMs);
      live.delete(child);
      resolve({ code, signal, output, timedOut, strays, elapsedMs });
    };
    child.on("close", (code, signal) => void finish(code, signal));
    child.on("error", (error) => {
      output += String(error);
      void finish(-1, null);
    });
  });
}

export function killAll(): void {
  for (const child of live) killGroup(child);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}

/** Waits until no process of the group lives, for at most so long (the kernel cannot end each one); gives how many do. */
async function groupIsGone(child: ChildProcess, ms: number): Promise<number> {
  const end = performance.now() + ms;
  for (;;) {
    const living = survivors(child.pid);
    if (living === 0 || performance.now() >= end) return living;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The living processes of a group. Only Linux lets us look; zombies don't count, someone else must reap them. */
export function survivors(group: number | undefined): number {
  if (group === undefined || process.platform !== "linux") return 0;
  return readdirSync("/proc").filter((entry) => /^\d+$/.test(entry) && isAliveIn(group, entry)).length;
}

function isAliveIn(group: number, pid: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, , processGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(processGroup) === group && state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
