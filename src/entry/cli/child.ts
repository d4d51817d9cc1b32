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
  /** Aborted, the command gets SIGTERM, and SIGKILL after `graceMs` if it is still there; so does what it has started. */
  readonly signal: AbortSignal;
  readonly graceMs: number;
}

/** So often it is looked whether anything is left of a command that was stopped. */
const LOOK_MS = 20;

/** What was sent SIGKILL needs the processor once more to die. */
const DYING_MS = 1000;

/** Resolves when the command has ended, and if it was stopped when all has that it had started; never rejects. */
export function runChild(command: readonly string[], { env, signal, graceMs }: ChildOptions): Promise<ChildOutcome> {
  const [file = "", ...args] = command;
  return new Promise((resolve) => {
    const detached = hasOwnGroup();
    const child = spawn(file, args, { stdio: "inherit", env: { ...process.env, ...env }, detached });
    const tree = detached ? -(child.pid ?? 0) : (child.pid ?? 0);
    let next: ReturnType<typeof setTimeout> | undefined;
    let isWaitedFor = true;
    const giveUp = (): void => {
      isWaitedFor = false;
    };
    const kill = (): void => {
      sendTo(tree, "SIGKILL");
      next = setTimeout(giveUp, DYING_MS);
    };
    const stop = (): void => {
      sendTo(tree, "SIGTERM");
      next = setTimeout(kill, graceMs);
    };
    const stopPassing = passSignalsOn(child, tree);
    const end = (outcome: ChildOutcome): void => {
      clearTimeout(next);
      stopPassing();
      signal.removeEventListener("abort", stop);
      resolve(outcome);
    };
    child.on("error", (error: NodeJS.ErrnoException) => end({ code: codeOf(error), trouble: error.message }));
    child.on("exit", (code, name) => {
      const outcome = { code: code ?? signalCode(name), trouble: "" };
      // Where nobody reaps orphans a dead one still counts as there, so this has an end.
      const isOver = (): boolean => !isWaitedFor || !signal.aborted || !detached || !sendTo(tree, 0);
      const look = (): unknown => (isOver() ? end(outcome) : setTimeout(look, LOOK_MS));
      look();
    });
    if (child.pid === undefined) return;
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
}

/**
 * What the command starts is in one process group with it, and is stopped with it: a shell that is stopped leaves what it
 * runs behind. At a terminal all stay in the terminal's group, which is also where a person's Ctrl-C goes.
 */
function hasOwnGroup(): boolean {
  const { platform, stdin, stdout, stderr } = process;
  return platform !== "win32" && !stdin.isTTY && !stdout.isTTY && !stderr.isTTY;
}

/**
 * To a process or, negative, a group; whoever is gone hears nothing. By number and not by `ChildProcess.kill`, which on
 * Deno knows no signal after the first. Says whether there was anybody.
 */
function sendTo(tree: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(tree, name);
  } catch {
    return false;
  }
}

function isGroup(tree: number): boolean {
  return tree < 0;
}

const passedOn = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/**
 * A supervisor's signal reaches only us; a person's Ctrl-C reaches the whole foreground group, so a command that has no
 * group of its own has got it already.
 * What asks a command to end asks all that it has started; SIGHUP is the command's own to understand.
 */
function passSignalsOn(child: ChildProcess, tree: number): () => void {
  const pass = (name: NodeJS.Signals): void => {
    if (child.pid === undefined || (name === "SIGINT" && !isGroup(tree))) return;
    sendTo(name === "SIGHUP" ? child.pid : tree, name);
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
