/** Random histories of a storage. */
import fc from "fast-check";
import type { DurableState } from "../../src/protocol/storage.ts";
import { after, EMPTY, endOf, entriesFrom, type Happening, viewNumbered } from "./model.ts";

interface Choice {
  readonly what:
    | "machines"
    | "view"
    | "promised"
    | "accepted"
    | "level"
    | "append"
    | "truncate"
    | "save"
    | "saveAndBase"
    | "install";
  readonly number: number;
  readonly size: number;
}

/** A history as a node might make it: every step fits what came before. */
export const history: fc.Arbitrary<Happening[]> = fc
  .array(
    fc.record<Choice>({
      what: fc.constantFrom(
        "machines",
        "view",
        "promised",
        "accepted",
        "level",
        "append",
        "append",
        "append",
        "truncate",
        "save",
        "saveAndBase",
        "install",
      ),
      number: fc.nat(20),
      size: fc.nat(60),
    }),
    { maxLength: 40 },
  )
  .map((choices) => {
    let state = EMPTY;
    const made: Happening[] = [];
    const add = (what: Happening): void => {
      made.push(what);
      state = after(state, what);
    };
    add({ kind: "identity", incarnation: "0123456789abcdef", clusterId: "c1" });
    for (const choice of choices) for (const what of fitting(state, choice)) add(what);
    return made;
  });

function fitting(state: DurableState, { what, number, size }: Choice): Happening[] {
  const vid = state.view?.vid ?? 0;
  const end = endOf(state);
  const within = state.entries[number % Math.max(1, state.entries.length)];
  const place = within === undefined ? state.base : { vid: within.vid, seqno: within.seqno };
  const ballot = { round: (state.promised?.round ?? 0) + 1 + number, node: "a" };
  switch (what) {
    case "machines": {
      const version = { name: "kv", version: 1 + number };
      return [{ kind: "machines", origin: [version], promised: size % 2 === 0 ? [] : [version] }];
    }
    case "view":
      return [{ kind: "view", view: viewNumbered(vid + 1 + (number % 2)) }];
    case "promised":
      return [{ kind: "promised", instance: vid + 1, ballot }];
    case "accepted":
      return [{ kind: "accepted", instance: vid + 1, accepted: { ballot, value: viewNumbered(vid + 1) } }];
    case "level":
      return [{ kind: "level", vid, through: end }];
    case "append":
      return [{ kind: "append", entries: entriesFrom(end, Math.max(1, end.vid, vid), number, size) }];
    case "truncate":
      return [{ kind: "truncate", seqno: Math.max(place.seqno, state.snapshot?.at.seqno ?? 0) }];
    case "save":
      return [{ kind: "saved", at: place, chunks: number % 4 }].filter(({ at }) => at.seqno > 0) as Happening[];
    case "saveAndBase":
      if (place.seqno === 0) return [];
      return [
        { kind: "saved", at: place, chunks: number % 4 },
        { kind: "base", at: place },
      ];
    case "install": {
      const at = { vid: Math.max(1, end.vid, vid), seqno: end.seqno + 1 + number };
      return [
        { kind: "saved", at, chunks: 1 + (number % 3) },
        { kind: "base", at },
      ];
    }
  }
}
