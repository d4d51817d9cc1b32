/**
 * The machines of one replica or witness, with states that can be looked at.
 * @module
 */
import { chainOf } from "../../machine/chain.ts";
import type { AnyMachine } from "../../machine/definition.ts";
import type { MachineFault, Parts } from "../../machine/parts.ts";
import { replicated } from "../../machine/replicated.ts";
import { restorationOf } from "../../machine/state.ts";
import type { ReplicatedMachine } from "../../protocol/machine.ts";

export class Instance {
  readonly states: Map<string, object> = new Map();
  readonly machine: ReplicatedMachine;
  readonly #definitions: readonly AnyMachine[];

  constructor(definitions: readonly AnyMachine[], trace: (fault: MachineFault) => void) {
    this.#definitions = definitions;
    this.machine = replicated(
      definitions.map((definition) => this.#open(definition)),
      { trace },
    );
  }

  /** What a snapshot of each machine holds. */
  values(): unknown[][] {
    return this.#definitions.map((definition) => {
      const { name, snapshot } = this.#running(definition);
      const state = this.states.get(name) as object;
      if (snapshot === undefined) return [state];
      const values: unknown[] = [];
      const slices = snapshot(state);
      for (let next = slices.next(); next.done !== true; next = slices.next()) values.push(next.value);
      return values;
    });
  }

  /** The parts of the version that runs. */
  #running(definition: AnyMachine): Parts {
    const version = this.machine.versions.find(({ name }) => name === definition.name)?.version;
    return chainOf(definition).find((parts) => parts.version === version) as Parts;
  }

  /** The same machine, of which this instance knows the state. */
  #open(definition: AnyMachine): AnyMachine {
    const parts = definition as unknown as Parts;
    const keep = (state: object): object => {
      this.states.set(parts.name, state);
      return state;
    };
    const { previous, migrate } = parts;
    const opened: Parts = {
      ...parts,
      ...(previous !== undefined && { previous: this.#open(previous) }),
      ...(migrate !== undefined && { migrate: (state: object) => keep(migrate(state)) }),
      init: () => keep(parts.init()),
      snapshot: parts.snapshot ?? ((state) => [state][Symbol.iterator]()),
      restore: () => {
        const restoration = restorationOf(parts);
        return { chunk: (value) => restoration.chunk(value), finish: () => keep(restoration.finish()) };
      },
    };
    return Object.freeze(opened) as unknown as AnyMachine;
  }
}
