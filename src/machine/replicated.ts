/**
 * The machines of a cluster as the one machine that the core replicates: calls are routed by name, deadlines, sessions
 * and snapshots are shared.
 * @module
 */
import { type Call, decodeCall, encodeReply } from "../protocol/calls.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type {
  Applied,
  EntryContext,
  MachineAbility,
  MachineVersion,
  Notice,
  ReplicatedMachine,
  Restoration,
} from "../protocol/machine.ts";
import type { SessionId } from "../protocol/session.ts";
import { compareIds } from "../protocol/view.ts";
import { isMachine } from "./define.ts";
import type { AnyMachine } from "./definition.ts";
import type { MachineHooks } from "./parts.ts";
import { MachineRunner } from "./runner.ts";
import { chunksOf, SnapshotRestoration } from "./snapshot.ts";

const NO_CALL = encodeReply({ type: "failed", code: "InvalidInput", text: "the bytes are no call of a machine" });

/**
 * Makes one or several machines ready to be replicated, each with its empty state.
 *
 * @example
 * ```ts
 * const machine = replicated([stock, kv], { trace: (fault) => log.error(fault) });
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions` for no machine, a name twice, or an `init` without a usable state
 */
export function replicated(machines: AnyMachine | readonly AnyMachine[], hooks: MachineHooks = {}): ReplicatedMachine {
  return new Combination(checkMachines(machines), hooks);
}

/**
 * The machines of a cluster as a list, in the order of their names.
 * @throws {ViewstampError} `InvalidOptions`
 */
export function checkMachines(machines: AnyMachine | readonly AnyMachine[]): readonly AnyMachine[] {
  const list: readonly unknown[] = Array.isArray(machines) ? machines : [machines];
  if (list.length === 0) throw new ViewstampError("InvalidOptions", "a cluster runs at least one machine");
  const names = new Set<string>();
  const checked = list.map((machine) => {
    if (!isMachine(machine)) throw new ViewstampError("InvalidOptions", "a machine is made by defineMachine");
    if (names.has(machine.name)) throw new ViewstampError("InvalidOptions", `two machines named "${machine.name}"`);
    names.add(machine.name);
    return machine;
  });
  return checked.sort((a, b) => compareIds(a.name, b.name));
}

/** By name, so that every replica runs them in one order, whatever order it was given them in. */
class Combination implements ReplicatedMachine {
  readonly able: readonly MachineAbility[];
  readonly #runners: readonly MachineRunner[];
  readonly #byName: ReadonlyMap<string, MachineRunner>;

  constructor(machines: readonly AnyMachine[], hooks: MachineHooks) {
    this.#runners = machines.map((machine) => new MachineRunner(machine, hooks));
    this.able = this.#runners.map(({ name, versions }) => ({ name, versions }));
    this.#byName = new Map(this.#runners.map((runner) => [runner.name, runner]));
  }

  get versions(): readonly MachineVersion[] {
    return this.#runners.map(({ name, version }) => ({ name, version }));
  }

  begin(versions: readonly MachineVersion[]): void {
    for (const { name, version } of versions) this.#byName.get(name)?.begin(version);
  }

  upgrade(to: readonly MachineVersion[]): boolean {
    const states = to.map(({ name, version }) => this.#byName.get(name)?.migrated(version));
    if (states.includes(undefined)) return false;
    for (const [index, { name, version }] of to.entries())
      this.#byName.get(name)?.replaceState(version, states[index]!);
    return true;
  }

  apply(command: Uint8Array, session: SessionId, context: EntryContext): Applied {
    const call = decoded(command);
    if (call === undefined) return { reply: NO_CALL, notices: [] };
    const runner = this.#byName.get(call.machine);
    if (runner === undefined) return { reply: unknownMachine(call.machine), notices: [] };
    return runner.execute(call, session, context);
  }

  query(query: Uint8Array, now: number): Uint8Array {
    const call = decoded(query);
    if (call === undefined) return NO_CALL;
    const runner = this.#byName.get(call.machine);
    return runner === undefined ? unknownMachine(call.machine) : runner.ask(call, now);
  }

  endSession(session: SessionId, isLost: boolean, context: EntryContext): readonly Notice[] {
    return this.#runners.flatMap((runner) => runner.endSession(session, isLost, context));
  }

  tick(context: EntryContext): readonly Notice[] {
    return this.#runners.flatMap((runner) => runner.tick(context));
  }

  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const runner of this.#runners) {
      const due = runner.nextDeadline();
      if (due !== undefined && (next === undefined || due < next)) next = due;
    }
    return next;
  }

  outstanding(session: SessionId): readonly Uint8Array[] {
    return this.#runners.flatMap((runner) => runner.outstanding(session));
  }

  snapshot(): Iterator<Uint8Array> {
    const streams = this.#runners.map((runner) => {
      const { name, version } = runner;
      return { name, version, values: runner.snapshot() };
    });
    return chunksOf(streams);
  }

  restore(): Restoration {
    return new SnapshotRestoration(this.#runners);
  }
}

function decoded(bytes: Uint8Array): Call | undefined {
  try {
    return decodeCall(bytes);
  } catch {
    return undefined;
  }
}

function unknownMachine(name: string): Uint8Array {
  const text = `the cluster runs no machine ${JSON.stringify(name.slice(0, 80))}`;
  return encodeReply({ type: "failed", code: "UnknownCommand", text });
}
