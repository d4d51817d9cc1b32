/**
 * Rules 12 and 14 as seen in the lock machine's state, after every step of every replica.
 * @module
 */

import { type LockCommands, locks } from "../../locks/machine.ts";
import type { Lock, LockTable } from "../../locks/machine-state.ts";
import { command } from "../../machine/define.ts";
import type { AnyMachine, Command, CommandContext, StepContext, Synchronous } from "../../machine/definition.ts";
import { faultOfEnded, faultOfHolders } from "../ledger/rules/exclusion.ts";
import { faultOfQueue } from "../ledger/rules/wake-ups.ts";

export type Violated = (rule: number, text: string) => void;

/** The real lock machine, looked at after every step. */
export function watchedLocks(violated: Violated): AnyMachine {
  const check = (table: LockTable, name: string): void => checkLock(name, table.get(name), violated);
  const watched = <Input extends { readonly name: string }, Output>(
    given: Command<LockTable, Input, Output>,
  ): Command<LockTable, Input, Output> =>
    command(given.schema, (table: LockTable, input: Input, ctx: CommandContext) => {
      const reply = given(table, input, ctx);
      check(table, input.name);
      return reply as Synchronous<Output>;
    });
  const { acquire, release, cancel, settle, refill, survey, once } = locks.commands;
  const commands: LockCommands = {
    acquire: watched(acquire),
    release: watched(release),
    cancel: watched(cancel),
    settle: watched(settle),
    refill: watched(refill),
    survey,
    once,
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
