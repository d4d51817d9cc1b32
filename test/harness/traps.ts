// Springs the traps of one node: sees every message and event, and acts at exactly the one a trap names.
import type { Trap, TrapAction, TrapPlace } from "./control.ts";

/** What a trap looks at: a message (with its peer), or an event of the replica. */
export interface Sighting {
  readonly at: TrapPlace;
  /** `undefined` for clients and events. */
  readonly peer: string | undefined;
  readonly what: Readonly<Record<string, unknown>>;
}

interface LaidTrap {
  readonly trap: Trap;
  /** The seqno that `reachesMark` compares with. */
  readonly mark: number;
  left: number;
}

export class Traps {
  #laid: LaidTrap[] = [];
  readonly #act: (action: TrapAction) => void;
  readonly #report: (name: string) => void;

  constructor(act: (action: TrapAction) => void, report: (name: string) => void) {
    this.#act = act;
    this.#report = report;
  }

  /** Whether anything must be looked at: decoding frames costs time. */
  get any(): boolean {
    return this.#laid.length > 0;
  }

  lay(trap: Trap, mark = 0): void {
    this.#laid.push({ trap, mark, left: trap.count ?? 1 });
  }

  see(sighting: Sighting): void {
    for (const laid of [...this.#laid]) {
      if (!matches(laid, sighting)) continue;
      laid.left--;
      if (laid.left === 0) this.#spring(laid, sighting);
    }
  }

  #spring(laid: LaidTrap, sighting: Sighting): void {
    const { name, actions, next } = laid.trap;
    this.#laid = this.#laid.filter((one) => one !== laid);
    this.#report(name);
    for (const action of actions) this.#act(action);
    if (next !== undefined) this.lay(next, lastSeqnoOf(sighting.what) ?? laid.mark);
  }
}

function matches({ trap, mark }: LaidTrap, { at, peer, what }: Sighting): boolean {
  return (
    trap.at === at &&
    (trap.message === undefined || what["type"] === trap.message) &&
    (trap.event === undefined || what["event"] === trap.event) &&
    (trap.peer === undefined || peer === trap.peer) &&
    (trap.withEntries !== true || entriesOf(what).length > 0) &&
    (trap.reachesMark !== true || Number(what["seqno"] ?? 0) >= mark) &&
    (trap.vid === undefined || (vidOf(what) ?? 0) >= trap.vid) &&
    (trap.members === undefined || sameMembers(what, trap.members))
  );
}

function entriesOf(what: Sighting["what"]): readonly { readonly seqno: number }[] {
  return (what["entries"] as readonly { readonly seqno: number }[] | undefined) ?? [];
}

function lastSeqnoOf(what: Sighting["what"]): number | undefined {
  return entriesOf(what).at(-1)?.seqno;
}

interface ViewLike {
  readonly vid: number;
  readonly members: readonly { readonly id: string }[];
}

/** A view stands in `view` (prepare, decided, the event) or in `value` (accept). */
function viewOf(what: Sighting["what"]): ViewLike | undefined {
  return (what["view"] ?? what["value"]) as ViewLike | undefined;
}

function vidOf(what: Sighting["what"]): number | undefined {
  return viewOf(what)?.vid ?? (what["vid"] as number | undefined) ?? (what["instance"] as number | undefined);
}

function sameMembers(what: Sighting["what"], wanted: readonly string[]): boolean {
  const members = viewOf(what)?.members.map(({ id }) => id) ?? [];
  return members.join() === [...wanted].sort().join();
}
