/**
 * The machines of a user in one run: every replica's, and two witnesses that no client sees. One executes the whole log, the
 * other is restored from a snapshot again and again. Whatever any of them answers must be the same, and at the end all states.
 * @module
 */
import type { AnyMachine } from "../../machine/definition.ts";
import type { MachineFault } from "../../machine/parts.ts";
import { decodeNotice, decodeReply } from "../../protocol/calls.ts";
import type { Applied, ReplicatedMachine } from "../../protocol/machine.ts";
import { encodeValue } from "../../protocol/values.ts";
import type { NodeId } from "../../protocol/view.ts";
import { differenceOf, shown } from "./difference.ts";
import { Instance } from "./instance.ts";
import { watched } from "./traps.ts";
import { WatchedMachine } from "./watched-machine.ts";

/** Takes what was found; `cause` is the user's own error, if there is one. */
export type Found = (rule: number, text: string, cause?: unknown) => void;

/** One step of the log, for any machine to take. */
export interface LogStep {
  /** The same on every replica, and of this step alone. */
  readonly key: string;
  readonly at: string;
  readonly what: () => string;
  readonly take: (machine: ReplicatedMachine) => Applied;
}

/** As much may be encoded for checks, in bytes for each step: large states are looked at less often. */
const BYTES_PER_STEP = 4096;

const REPLAY = "a replay of the whole log";
const RESTORED = "a machine restored from a snapshot";

/** What to do about it. */
const HINTS = {
  replica: "a machine goes by its state, its input and ctx alone: keep nothing outside of them",
  restored: "all that a command goes by, the order of things included, must come through snapshot and restore",
} as const;

export class UserMachines {
  /** The oldest first. */
  readonly #programs: readonly (readonly AnyMachine[])[];
  readonly #found: Found;
  readonly #said: Map<string, Applied> = new Map();
  readonly #replicas: Map<NodeId, Instance> = new Map();
  /** The first states that `init` gave. */
  readonly #first: Map<string, object> = new Map();
  readonly #replay: Instance;
  #restored: Instance;
  /** The versions in which the log begins are known. */
  #hasBegun = false;
  #steps = 0;
  #last: LogStep | undefined;
  #encodedBytes = 0;

  constructor(programs: readonly (readonly AnyMachine[])[], found: Found) {
    this.#programs = programs;
    this.#found = found;
    this.#replay = this.#instance();
    this.#restored = this.#instance();
  }

  /** The machine for a new life of this node; `program` counts from 1. */
  machineOf(node: NodeId, program: number): ReplicatedMachine {
    const instance = this.#instance(this.#programs[program - 1]);
    this.#replicas.set(node, instance);
    return new WatchedMachine(node, instance, this);
  }

  /** The states by machine, as they are after the whole log. */
  get states(): ReadonlyMap<string, object> {
    return this.#replay.states;
  }

  /** Runs code of this node's or a witness's machines, and looks what it does. */
  run<Result>(what: () => string, code: () => Result): Result {
    return watched((did, why) => this.#found(10, `${what()} calls ${did}, and ${why}`), code);
  }

  /** A replica begins with an empty log, and so do the witnesses. */
  begins(versions: ReplicatedMachine["versions"]): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.run(beginning, () => this.#replay.machine.begin(versions));
    this.run(beginning, () => this.#restored.machine.begin(versions));
  }

  /** Whether the log has switched to the newest versions. */
  get isUpgraded(): boolean {
    if (this.#programs.length === 1) return true;
    const { able, versions } = this.#replay.machine;
    return this.#hasBegun && able.every((one, at) => versions[at]?.version === one.versions.at(-1));
  }

  /** A replica has taken a step of the log. */
  took(node: NodeId, step: LogStep, said: Applied): void {
    const before = this.#said.get(step.key);
    if (before !== undefined) return this.#compareSaid(step, node, said, before);
    this.#steps++;
    if (this.#steps % 3 !== 0 && this.mayEncode) this.#restore();
    this.#last = step;
    const expected = this.run(step.what, () => step.take(this.#replay.machine));
    this.#said.set(step.key, expected);
    this.#compareSaid(step, node, said, expected);
    this.#compareSaid(
      step,
      RESTORED,
      this.run(step.what, () => step.take(this.#restored.machine)),
      expected,
    );
  }

  /** Whether states may be encoded now without making the run slow. */
  get mayEncode(): boolean {
    return this.#encodedBytes <= BYTES_PER_STEP * (this.#steps + 1);
  }

  /** What a snapshot would hold. */
  encoded(instance: Instance): readonly Uint8Array[] {
    try {
      const values = this.run(snapshotting, () => instance.values().flat());
      const encoded = values.map((value) => encodeValue(value));
      for (const bytes of encoded) this.#encodedBytes += bytes.length;
      return encoded;
    } catch (error) {
      this.#found(0, `no snapshot can be taken: ${String(error)}`, error);
      return [];
    }
  }

  changedByQuery(what: string, node: NodeId): void {
    this.#found(10, `${what} changes the state, on ${node} alone: a query must leave it as it is`);
  }

  /** All replicas have executed the same: their states must be the same too. */
  compareStates(): void {
    const all = [...this.#replicas].map(([node, instance]) => [`node ${node}`, instance] as const);
    for (const [name, instance] of [...all, [RESTORED, this.#restored] as const]) this.#compareState(name, instance);
  }

  #compareState(name: string, instance: Instance): void {
    if (areEqual(this.encoded(instance), this.encoded(this.#replay))) return;
    const [own, expected] = [instance.values(), this.#replay.values()];
    for (const [index, { name: machine }] of this.#newest.entries()) {
      // Without a snapshot of its own, a machine's only value is its state.
      const whole = own[index]?.length === 1 && expected[index]?.length === 1;
      const of = (values: readonly unknown[] | undefined): unknown => (whole ? values?.[0] : values);
      const difference = differenceOf(of(own[index]), of(expected[index]), whole ? "state" : "snapshot");
      if (difference === undefined) continue;
      const { at, one, other } = difference;
      const after = this.#last === undefined ? "" : `after ${this.#last.what()} at ${this.#last.at}, `;
      this.#found(
        10,
        `${after}machine "${machine}" differs at ${at}: ${one} on ${name}, ${other} in ${REPLAY}: ${hintFor(name)}`,
      );
    }
  }

  #compareSaid(step: LogStep, who: string, said: Applied, expected: Applied): void {
    if (isSame(said, expected)) return;
    const on = who === RESTORED ? RESTORED : `node ${who}`;
    const differ = `says ${textOf(said)} on ${on}, ${textOf(expected)} in ${REPLAY}`;
    this.#found(10, `${step.what()} at ${step.at} ${differ}: ${hintFor(who)}`);
  }

  #restore(): void {
    const fresh = this.#instance();
    try {
      this.run(snapshotting, () => {
        const restoration = fresh.machine.restore();
        const chunks = this.#restored.machine.snapshot();
        for (let next = chunks.next(); next.done !== true; next = chunks.next()) {
          this.#encodedBytes += next.value.length;
          restoration.chunk(next.value);
        }
        restoration.finish();
      });
      this.#restored = fresh;
      this.#compareState(RESTORED, fresh);
    } catch (error) {
      this.#found(10, `a snapshot cannot be taken and restored: ${String(error)}`, error);
    }
  }

  #checkFresh({ states }: Instance): void {
    for (const [name, state] of this.#first) {
      if (states.get(name) === state)
        this.#found(10, `init of machine "${name}" gives the same object again: every replica needs one of its own`);
    }
    if (this.#first.size === 0) for (const [name, state] of states) this.#first.set(name, state);
  }

  get #newest(): readonly AnyMachine[] {
    return this.#programs.at(-1) ?? [];
  }

  #instance(definitions: readonly AnyMachine[] = this.#newest): Instance {
    const trace = ({ machine, where, error }: MachineFault): void =>
      this.#found(0, `machine "${machine}" throws in ${where}: ${String(error)}`, error);
    const instance = this.run(beginning, () => new Instance(definitions, trace));
    this.#checkFresh(instance);
    return instance;
  }
}

const NOTHING = new Uint8Array();

function hintFor(who: string): string {
  return who === RESTORED ? HINTS.restored : HINTS.replica;
}

function beginning(): string {
  return "init";
}

function snapshotting(): string {
  return "snapshot or restore";
}

function isSame(one: Applied, other: Applied): boolean {
  if (!isEqual(one.reply, other.reply) || one.notices.length !== other.notices.length) return false;
  return one.notices.every((notice, index) => {
    const twin = other.notices[index];
    return twin !== undefined && notice.session === twin.session && isEqual(notice.body, twin.body);
  });
}

function textOf({ reply, notices }: Applied): string {
  const said = notices.map(({ session, body }) => `${shown(decodeNotice(body).value)} to ${session}`);
  if (reply.length > 0) said.unshift(replyText(reply));
  return said.length === 0 ? "nothing" : said.join(" and ");
}

function replyText(bytes: Uint8Array): string {
  const reply = decodeReply(bytes);
  if (reply.type === "ok") return shown(reply.value);
  return reply.type === "refused" ? `MachineError ${reply.code} ${shown(reply.data)}` : `${reply.code}: ${reply.text}`;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** Whether these are the same bytes. */
export function areEqual(some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  return some.length === others.length && some.every((bytes, index) => isEqual(bytes, others[index] ?? NOTHING));
}
