/**
 * Who holds and who waits: as a table for people, as JSON for programs.
 * @module
 */
import type { LockInfo, LockSnapshot } from "../locks.ts";
import { columns } from "./table.ts";

/** The same of the locks whose names begin so. */
export function beginningWith(prefix: string, { held, pending }: LockSnapshot): LockSnapshot {
  const fits = ({ name }: LockInfo): boolean => name.startsWith(prefix);
  return { held: held.filter(fits), pending: pending.filter(fits) };
}

/** One row for each holder and waiter, waiters in the order of their line. */
export function locksTable({ held, pending }: LockSnapshot): string[] {
  const rows = keysOf({ held, pending }).flatMap((key) => {
    const isIts = (one: LockInfo): boolean => keyOf(one) === key;
    const waiters = pending.filter(isIts);
    return [
      ...held.filter(isIts).map((one) => rowOf(one, stateOf(one), `${waiters.length} waiting`)),
      ...waiters.map((one, index) => rowOf(one, `waits ${index + 1}`, "")),
    ];
  });
  return columns([["NAME", "STATE", "MODE", "AGE", "TOKEN", "LINE", "CLIENT", "OWNER"], ...rows]);
}

/** A lock and a semaphore of one name are two things. */
function keyOf({ name, permits }: LockInfo): string {
  return `${permits === undefined ? "lock" : "semaphore"} ${name}`;
}

function keysOf({ held, pending }: LockSnapshot): string[] {
  return [...new Set([...held, ...pending].map(keyOf))];
}

/** Whose session was lost holds nothing, and nobody else does for a while. */
function stateOf({ availableInMs }: LockInfo): string {
  return availableInMs === undefined ? "held" : `lost, free in ${ageText(availableInMs)}`;
}

function rowOf(info: LockInfo, state: string, line: string): string[] {
  const { name, mode, permits, ageMs, token, clientId, owner } = info;
  const what = permits === undefined ? mode : `permit of ${permits}`;
  const number = token === undefined ? "-" : String(token);
  return [shown(name), state, what, ageText(ageMs), number, line, clientId, inLine(owner)];
}

/** A holder in one line. */
export function holderText({ name, mode, clientId, owner, ageMs, token }: LockInfo): string {
  return `${shown(name)} ${mode} ${clientId} ${owner === "" ? "-" : shown(owner)} ${ageText(ageMs)} ${token}`;
}

/** One JSON object; tokens are strings, for they are too large for most readers of numbers. */
export function locksJson({ held, pending }: LockSnapshot): string {
  const locks = keysOf({ held, pending }).map((key) => {
    const isIts = (one: LockInfo): boolean => keyOf(one) === key;
    const [holders, waiters] = [held.filter(isIts), pending.filter(isIts)];
    const { name = "", permits } = holders[0] ?? waiters[0] ?? {};
    return { name, ...(permits !== undefined && { permits }), held: holders.map(plain), waiting: waiters.map(plain) };
  });
  return JSON.stringify({ event: "locks", locks });
}

export function plain({ mode, clientId, owner, ageMs, token, availableInMs }: LockInfo): object {
  return {
    ...{ mode, clientId, owner, ageMs: Math.round(ageMs) },
    ...(token !== undefined && { token: String(token) }),
    ...(availableInMs !== undefined && { availableInMs: Math.round(availableInMs) }),
  };
}

/** What is the same as long as nobody comes or goes. */
export function fingerprint({ held, pending }: LockSnapshot): string {
  const of = ({ name, mode, clientId, token, ...info }: LockInfo): string[] => [
    ...[name, mode, clientId, String(token)],
    `${info.permits} ${info.availableInMs !== undefined}`,
  ];
  return JSON.stringify([held.map(of), pending.map(of)]);
}

/** Names are any strings; those that would break a line or a column are quoted. */
function shown(text: string): string {
  return /^[\p{L}\p{N}\p{P}\p{S}]+$/u.test(text) ? text : quoted(text);
}

/** The same for the last column, where a space breaks nothing. */
export function inLine(text: string): string {
  return /^[\p{L}\p{N}\p{P}\p{S} ]*$/u.test(text) ? text : quoted(text);
}

/** Whatever could speak to the terminal is escaped: JSON leaves some of it as it is. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => {
    return `\\u{${one.codePointAt(0)?.toString(16)}}`;
  });
}

export function ageText(ageMs: number): string {
  const seconds = ageMs / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}m${Math.floor(seconds % 60)}s` : `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}
