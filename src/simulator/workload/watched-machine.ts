/**
 * A replica's machine: what it does is watched, and compared with what others do at the same place in the log.
 * @module
 */
import { decodeCall, encodeReply } from "../../protocol/calls.ts";
import type { Applied, EntryContext, Notice, ReplicatedMachine, Restoration } from "../../protocol/machine.ts";
import { versionsText } from "../../protocol/machine-versions.ts";
import type { SessionId } from "../../protocol/session.ts";
import type { NodeId } from "../../protocol/view.ts";
import { shown } from "./difference.ts";
import type { Instance } from "./instance.ts";
import { areEqual, type UserMachines } from "./user-machine.ts";

export class WatchedMachine implements ReplicatedMachine {
  readonly able: ReplicatedMachine["able"];
  readonly #node: NodeId;
  readonly #instance: Instance;
  readonly #machine: ReplicatedMachine;
  readonly #all: UserMachines;

  constructor(node: NodeId, instance: Instance, all: UserMachines) {
    this.#node = node;
    this.#instance = instance;
    this.#machine = instance.machine;
    this.able = instance.machine.able;
    this.#all = all;
  }

  get versions(): ReplicatedMachine["versions"] {
    return this.#machine.versions;
  }

  begin(versions: ReplicatedMachine["versions"]): void {
    this.#all.begins(versions);
    this.#all.run(
      () => "init",
      () => this.#machine.begin(versions),
    );
  }

  upgrade(to: ReplicatedMachine["versions"]): boolean {
    const what = (): string => `migrate to ${versionsText(to)}`;
    let migrated = false;
    const take = (machine: ReplicatedMachine): Applied => {
      const value = machine.upgrade(to);
      if (machine === this.#machine) migrated = value;
      return { reply: encodeReply({ type: "ok", value }), notices: [] };
    };
    const applied = this.#all.run(what, () => take(this.#machine));
    this.#all.took(this.#node, { key: what(), at: "the switch", what, take }, applied);
    return migrated;
  }

  apply(command: Uint8Array, session: SessionId, context: EntryContext): Applied {
    const what = (): string => nameOf("command", command);
    return this.#step("apply", session, context, what, (machine) => machine.apply(command, session, context));
  }

  query(query: Uint8Array, now: number): Uint8Array {
    const what = (): string => nameOf("query", query);
    const before = this.#all.mayEncode ? this.#all.encoded(this.#instance) : undefined;
    const reply = this.#all.run(what, () => this.#machine.query(query, now));
    if (before !== undefined && !areEqual(before, this.#all.encoded(this.#instance)))
      this.#all.changedByQuery(what(), this.#node);
    return reply;
  }

  endSession(session: SessionId, isLost: boolean, context: EntryContext): readonly Notice[] {
    const take = (machine: ReplicatedMachine): Applied => silent(machine.endSession(session, isLost, context));
    return this.#step("endSession", session, context, () => `sessionEnded of ${session}`, take).notices;
  }

  tick(context: EntryContext): readonly Notice[] {
    const take = (machine: ReplicatedMachine): Applied => silent(machine.tick(context));
    return this.#step("tick", "", context, () => "tick", take).notices;
  }

  nextDeadline(): number | undefined {
    return this.#all.run(
      () => "deadline",
      () => this.#machine.nextDeadline(),
    );
  }

  outstanding(session: SessionId): readonly Uint8Array[] {
    return this.#all.run(
      () => "notices",
      () => this.#machine.outstanding(session),
    );
  }

  snapshot(): Iterator<Uint8Array> {
    const run = <Result>(code: () => Result): Result => this.#all.run(() => "snapshot", code);
    const chunks = run(() => this.#machine.snapshot());
    return {
      next: () => run(() => chunks.next()),
      return: () => run(() => chunks.return?.() ?? { done: true, value: undefined }),
    };
  }

  restore(): Restoration {
    const run = <Result>(code: () => Result): Result => this.#all.run(() => "restore", code);
    const restoration = run(() => this.#machine.restore());
    return { chunk: (bytes) => run(() => restoration.chunk(bytes)), finish: () => run(() => restoration.finish()) };
  }

  #step(
    kind: string,
    session: SessionId,
    { now, viewstamp }: EntryContext,
    what: () => string,
    take: (machine: ReplicatedMachine) => Applied,
  ): Applied {
    const applied = this.#all.run(what, () => take(this.#machine));
    const at = `${viewstamp.vid}.${viewstamp.seqno} (ctx.now ${now})`;
    this.#all.took(this.#node, { key: `${viewstamp.seqno} ${kind} ${session}`, at, what, take }, applied);
    return applied;
  }
}

const NOTHING = new Uint8Array();

function silent(notices: readonly Notice[]): Applied {
  return { reply: NOTHING, notices };
}

function nameOf(kind: "command" | "query", bytes: Uint8Array): string {
  try {
    const { machine, name, input } = decodeCall(bytes);
    return `${kind} ${name}(${input === undefined ? "" : shown(input)}) of machine "${machine}"`;
  } catch {
    return `a ${kind} that is none`;
  }
}
