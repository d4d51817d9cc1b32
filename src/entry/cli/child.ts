/**
 * Runs the command of `lock NAME -- COMMAND` and `elect NAME -- COMMAND`: its streams are ours, signals are passed on, and it can be stopped.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { exitCode } from "./exit-codes.ts";

export interface ChildOutcome {
  /** As a shell would say it: 128 + N for signal N, 126 and 127 if it did not start. */
  readonly code: number;
  /** Why it did not start; empty if it did. */
  readonly trouble: string;
}

export interface ChildOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Aborted, the command gets SIGTERM, and SIGKILL after `graceMs` if it is still there. */
  readonly signal: AbortSignal;
  readonly graceMs: number;
}

/** Resolves when the command has ended; never rejects. */
export function runChild(command: readonly string[], { env, signal, graceMs }: ChildOptions): Promise<ChildOutcome> {
  const [file = "", ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: "inherit", env: { ...process.env, ...env } });
    let kill: ReturnType<typeof setTimeout> | undefined;
    const stop = (): void => {
      child.kill("SIGTERM");
      kill = setTimeout(() => child.kill("SIGKILL"), graceMs);
    };
    const stopPassing = passSignalsOn(child);
    const end = (outcome: ChildOutcome): void => {
      clearTimeout(kill);
      stopPassing();
      signal.removeEventListener("abort", stop);
      resolve(outcome);
    };
    child.on("error", (error: NodeJS.ErrnoException) => end({ code: codeOf(error), trouble: error.message }));
    child.on("exit", (code, name) => end({ code: code ?? signalCode(name), trouble: "" }));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
}

const passedOn = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** A supervisor's signal reaches only us; a person's Ctrl-C reaches the whole foreground group, so it has come already. */
function passSignalsOn(child: ChildProcess): () => void {
  const pass = (name: NodeJS.Signals): void => {
    if (name !== "SIGINT" || !process.stdin.isTTY) child.kill(name);
  };
  const handlers = passedOn.map((name) => [name, () => pass(name)] as const);
  for (const [name, handler] of handlers) process.on(name, handler);
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}

function codeOf({ code }: NodeJS.ErrnoException): number {
  if (code === "ENOENT") return exitCode.commandNotFound;
  return code === "EACCES" || code === "EPERM" ? exitCode.notExecutable : exitCode.failed;
}

/** As a shell gives the exit code of what a signal ended. */
export function signalCode(name: NodeJS.Signals | null): number {
  return 128 + (name === null ? 0 : (constants.signals[name] ?? 0));
}
