import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Trap, TrapAction } from "./control.ts";
import { type Sighting, Traps } from "./traps.ts";

class Field {
  readonly acted: TrapAction[] = [];
  readonly reported: string[] = [];
  readonly traps: Traps = new Traps(
    (action) => this.acted.push(action),
    (name) => this.reported.push(name),
  );
}

const kill: TrapAction = { do: "kill" };

function invoke(peer: string, ...seqnos: number[]): Sighting {
  return { at: "before-send", peer, what: { type: "invoke", vid: 2, entries: seqnos.map((seqno) => ({ seqno })) } };
}

function invoked(peer: string, seqno: number): Sighting {
  return { at: "received", peer, what: { type: "invoked", vid: 2, seqno } };
}

const traps = suite("traps");

traps("spring once, at what they name and nothing else", () => {
  const field = new Field();
  field.traps.lay({ name: "t", at: "before-send", message: "invoke", peer: "p2", withEntries: true, actions: [kill] });
  field.traps.see(invoke("p1", 5));
  field.traps.see(invoke("p2"));
  field.traps.see({ ...invoke("p2", 5), at: "sent" });
  field.traps.see({ at: "before-send", peer: "p2", what: { type: "heartbeat" } });
  assert.equal(field.acted, []);
  field.traps.see(invoke("p2", 5));
  field.traps.see(invoke("p2", 6));
  assert.equal(field.acted, [kill]);
  assert.equal(field.reported, ["t"]);
  assert.not(field.traps.any);
});

traps("count", () => {
  const field = new Field();
  field.traps.lay({ name: "t", at: "received", message: "invoked", count: 2, actions: [kill] });
  field.traps.see(invoked("p1", 1));
  assert.equal(field.acted, []);
  field.traps.see(invoked("p2", 1));
  assert.equal(field.acted, [kill]);
});

traps("follow one another, the second remembering the entries of the first", () => {
  const field = new Field();
  const cut: TrapAction = { do: "cut", peer: "p2", direction: "out" };
  const second: Trap = {
    name: "2",
    at: "received",
    message: "invoked",
    peer: "p1",
    reachesMark: true,
    actions: [kill],
  };
  field.traps.lay({
    name: "1",
    at: "before-send",
    message: "invoke",
    peer: "p2",
    withEntries: true,
    actions: [cut],
    next: second,
  });
  field.traps.see(invoked("p1", 9));
  field.traps.see(invoke("p2", 8, 9));
  field.traps.see(invoked("p1", 8));
  assert.equal(field.acted, [cut]);
  field.traps.see(invoked("p1", 9));
  assert.equal(field.acted, [cut, kill]);
});

traps("know views in messages and events", () => {
  const view = { vid: 3, members: [{ id: "p0" }, { id: "p1" }] };
  const sightings: readonly (readonly [trap: Partial<Trap>, what: Record<string, unknown>])[] = [
    [
      { at: "happened", event: "view", vid: 3 },
      { event: "view", view },
    ],
    [
      { at: "received", message: "decided", members: ["p1", "p0"] },
      { type: "decided", view },
    ],
    [
      { at: "received", message: "accept", vid: 3 },
      { type: "accept", instance: 3, value: view },
    ],
  ];
  for (const [trap, what] of sightings) {
    const field = new Field();
    field.traps.lay({ name: "t", at: "received", actions: [kill], ...trap });
    field.traps.lay({ name: "never", at: "received", actions: [], ...trap, vid: 4 });
    field.traps.see({ at: trap.at!, peer: "p1", what });
    assert.equal(field.reported, ["t"]);
  }
});

traps.run();
