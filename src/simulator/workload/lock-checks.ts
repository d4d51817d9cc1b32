/**
 * Rules 12, 13 and 14 as seen in the lock machine's state, after every step of every replica.
 * @module
 */

import { type LockCommands, locks } from "../../locks/machine.ts";
import { isCompatible, type Lock, type LockTable } from "../../locks/machine-state.ts";
import type { Acquisition, Request, TenureName } from "../../locks/machine-words.ts";
import { command } from "../../machine/define.ts";
import type { AnyMachine, CommandContext, StepContext } from "../../machine/definition.ts";

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
      const { holders, queue } = table.get(name);
      if ([...holders, ...queue].some((one) => one.session === session))
        violated(12, `session ${session} is over and still holds or waits for ${name}`);
    }
  };
  return Object.freeze({ ...locks, commands, sessionEnded }) as unknown as AnyMachine;
}

function checkLock(name: string, lock: Lock, violated: Violated): void {
  const { holders, queue } = lock;
  if (holders.length > 1 && holders.some(({ mode }) => mode === "exclusive"))
    violated(12, `${name} is held by ${JSON.stringify(holders.map(({ session, mode }) => `${session} ${mode}`))}`);
  const first = queue[0];
  if (first !== undefined && isCompatible(lock, first.mode))
    violated(14, `${name} could be granted to ${first.session}, which is first in line, and is not`);
}
