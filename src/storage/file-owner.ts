/**
 * Who holds the lock of a data directory: a process, told from every other one, also in another container or on another
 * machine that has the same directory.
 *
 * A number alone says nothing: in most containers the only process is number 1. So an owner also says at home in which
 * world of process numbers it is; of an owner from another one nothing can be known but whether its lock still changes.
 * @module
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";

export interface Owner {
  readonly pid: number;
  /** When the process began, in the system's own words; tells it from a later one with the same number. */
  readonly began: string | undefined;
  /** Where its number means anything: the run of the kernel and the container, else the machine. */
  readonly home: string | undefined;
}

/** `unknown`: it may run where this process cannot look. */
export type Verdict = "alive" | "dead" | "unknown";

export function thisProcess(): Owner {
  return { pid: process.pid, began: beginningOf(process.pid), home: homeOfThis() };
}

export function verdictOn({ pid, began, home }: Partial<Owner>): Verdict {
  if (typeof pid !== "number" || home === undefined || home !== homeOfThis()) return "unknown";
  if (!exists(pid) || isRemains(pid)) return "dead";
  const beginning = beginningOf(pid);
  if (began === undefined || beginning === undefined) return "unknown";
  return began === beginning ? "alive" : "dead";
}

/** For people. */
export function nameOf({ pid, home }: Partial<Owner>): string {
  if (typeof pid !== "number") return "another process";
  return home === homeOfThis() ? `process ${pid}` : `process ${pid} of another container or machine`;
}

let ownHome: { readonly home: string | undefined } | undefined;

function homeOfThis(): string | undefined {
  ownHome ??= { home: attempt(linuxHome) ?? attempt(hostname) };
  return ownHome.home;
}

/** A number that the kernel gives anew whenever it starts, and the container's own process numbers. */
function linuxHome(): string {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
}

/** Where it may not be asked for, it counts as there. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/** It has ended, all of its threads, but nobody has asked how: in a container that may never happen. */
function isRemains(pid: number): boolean {
  const said = statOf(pid);
  return (said?.[0] === "Z" || said?.[0] === "X") && Number(said[17]) <= 1;
}

/** On Linux, field 22 of `/proc/PID/stat`; elsewhere unknown. */
function beginningOf(pid: number): string | undefined {
  return statOf(pid)?.[19];
}

/** The fields from the third on: the second, a name, may hold anything. */
function statOf(pid: number): readonly string[] | undefined {
  return attempt(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  });
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
