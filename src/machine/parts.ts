/**
 * A machine's parts as they are run: the compiler's knowledge of its state has done its duty by then.
 * @module
 */
import type { SessionId } from "../protocol/session.ts";
import type { Viewstamp } from "../protocol/view.ts";
import type { AnyMachine, CommandContext, QueryContext, Schema, SessionEndContext, StepContext } from "./definition.ts";

/** Something went wrong in a machine's code. Errors differ between engines, so they go here and not into replies. */
export interface MachineFault {
  /** The machine's name. */
  readonly machine: string;
  /** The command, query or part (`tick`, `notices` …) it happened in. */
  readonly where: string;
  /** The entry that was executed, if there was one. */
  readonly viewstamp: Viewstamp | undefined;
  /** What was thrown. */
  readonly error: unknown;
}

/** How a machine is run. */
export interface MachineHooks {
  /**
   * Learns of faults; what it throws is ignored.
   * @default nobody does
   */
  readonly trace?: (fault: MachineFault) => void;
  /**
   * A larger reply becomes `MachineFailed`, a larger notice is refused. Must be the same on every replica.
   * @default 262144
   */
  readonly maxReplyBytes?: number;
}

/** A command or query as it is run. */
export interface Handler<Context> {
  (state: object, input: unknown, ctx: Context): unknown;
  readonly schema: Schema;
}

type Typed = "commands" | "queries" | "notices" | "sessionEnded" | "deadline" | "tick" | "snapshot" | "migrate";

export interface Parts extends Omit<AnyMachine, Typed> {
  readonly commands: Readonly<Record<string, Handler<CommandContext>>>;
  readonly queries: Readonly<Record<string, Handler<QueryContext>>>;
  readonly notices?: (state: object, session: SessionId) => readonly unknown[];
  readonly sessionEnded?: (state: object, session: SessionId, ctx: SessionEndContext) => void;
  readonly deadline?: (state: object) => number | undefined;
  readonly tick?: (state: object, ctx: StepContext) => void;
  readonly snapshot?: (state: object) => Iterator<unknown>;
  readonly migrate?: (state: object) => object;
}

/** Whether it is a promise or the like; if so, its rejection is from now on nobody's to handle. */
export function isThenable(value: unknown): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const { then } = value as { then?: unknown };
  if (typeof then !== "function") return false;
  then.call(value, ignore, ignore);
  return true;
}

function ignore(): void {}
