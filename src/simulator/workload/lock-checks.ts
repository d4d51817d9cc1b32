/**
 * Rules 12 and 14 as seen in the lock machine's state, after every step of every replica.
 * @module
 */

import { type LockCommands, locks } from "../../locks/machine.ts";
import type { LockTable } from "../../locks/machine-state.ts";
import { command } from "../../machine/define.ts";
import type {
  AnyMachine,
  Command,
  CommandContext,
  SessionEndContext,
  StepContext,
  Synchronous,
} from "../../machine/definition.ts";
import { faultOfEnded, faultOfHolders } from "../ledger/rules/exclusion.ts";
import { faultOfQueue } from "../ledger/rules/wake-ups.ts";

export type Violated = (rule: number, text: string) => void;

/** The real lock machine, looked at after every step. */
export function watchedLocks(violated: Violated): AnyMachine {
  const watched = <Input, Output>(given: Command<LockTable, Input, Output>): Command<LockTable, Input, Output> =>
    command(given.schema, (table: LockTable, input: Input, ctx: CommandContext) => {
      const reply = given(table, input, ctx);
      checkAll(table, violated);
      return reply as Synchronous<Output>;
    });
  const { acquire, acquireAll, release, cancel, settle, refill, survey, once } = locks.commands;
  const commands: LockCommands = {
    acquire: watched(acquire),
    acquireAll: watched(acquireAll),
    release: watched(release),
    cancel: watched(cancel),
    settle: watched(settle),
    refill: watched(refill),
    survey,
    once,
  };
  const sessionEnded = (table: LockTable, session: string, ctx: SessionEndContext): void => {
    const names = table.namesOf(session);
    locks.sessionEnded?.(table, session, ctx);
    checkAll(table, violated);
    for (const name of names) {
      const left = faultOfEnded(session, name, table.get(name));
      if (left !== undefined) violated(12, left);
    }
    if (table.groups.of(session).length > 0)
      violated(12, `session ${session} is over and a group of it still stands in line`);
  };
  const tick = (table: LockTable, ctx: StepContext): void => {
    locks.tick?.(table, ctx);
    checkAll(table, violated);
  };
  return Object.freeze({ ...locks, commands, sessionEnded, tick }) as unknown as AnyMachine;
}

/** A step may let somebody in at another lock than its own. */
function checkAll(table: LockTable, violated: Violated): void {
  for (const [name, lock] of table.from("")) {
    const held = faultOfHolders(name, lock);
    if (held !== undefined) violated(12, held);
    const line = faultOfQueue(table, name, lock);
    if (line !== undefined) violated(14, line);
  }
}
