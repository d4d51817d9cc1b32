/**
 * Rules 12 and 14 as seen in the lock machine's state, after every step of every replica.
 * @module
 */

import { type LockCommands, locks } from "../../locks/machine.ts";
import type { Lock, LockTable } from "../../locks/machine-state.ts";
import type { Acquisition, Request, TenureName } from "../../locks/machine-words.ts";
import { command } from "../../machine/define.ts";
import type { AnyMachine, CommandContext, StepContext } from "../../machine/definition.ts";
import { faultOfEnded, faultOfHolders } from "../ledger/rules/exclusion.ts";
import { faultOfQueue } from "../ledger/rules/wake-ups.ts";

export type Violated = (rule: number, text: string) => void;

/** The real lock machine, looked at after every step. */
export function watchedLocks(violated: Violated): AnyMachine {
  const check = (table: LockTable, name: string): void => checkLock(name, table.get(name), violated);
  const { acquire, release, cancel } = locks.commands;
  const commands: LockCommands = {
    acquire: command(acquire.schema, (table: LockTable, input: Acquisition, ctx: CommandContext) => {
      const reply = acquire(table, input, ctx);
      check(table, input.name);
      return reply;
    }),
    release: command(release.schema, (table: LockTable, input: TenureName, ctx: CommandContext) => {
      const reply = release(table, input, ctx);
      check(table, input.name);
      return reply;
    }),
    cancel: command(cancel.schema, (table: LockTable, input: Request, ctx: CommandContext) => {
      const reply = cancel(table, input, ctx);
      check(table, input.name);
      return reply;
    }),
  };
  const sessionEnded = (table: LockTable, session: string, ctx: StepContext): void => {
    const names = table.namesOf(session);
    locks.sessionEnded?.(table, session, ctx);
    for (const name of names) {
      check(table, name);
      const left = faultOfEnded(session, name, table.get(name));
      if (left !== undefined) violated(12, left);
    }
  };
  return Object.freeze({ ...locks, commands, sessionEnded }) as unknown as AnyMachine;
}

function checkLock(name: string, lock: Lock, violated: Violated): void {
  const held = faultOfHolders(name, lock);
  if (held !== undefined) violated(12, held);
  const line = faultOfQueue(name, lock);
  if (line !== undefined) violated(14, line);
}
