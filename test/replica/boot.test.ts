// A node wakes up with a long log a slice at a time.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Entry } from "../../src/protocol/entry.ts";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import type { Environment } from "../../src/protocol/environment.ts";
import type { DurableState, Storage } from "../../src/protocol/storage.ts";
import { encodeUpgrade } from "../../src/protocol/upgrade-body.ts";
import { ORIGIN } from "../../src/protocol/view.ts";
import { type Booted, boot } from "../../src/replica/boot.ts";

const COUNT = 100_000;
const MOST_PER_TURN = 20_000;

test("a long log is looked through for changes of machine versions in slices, and none is missed", () => {
  let looks = 0;
  const entryAt = (index: number): Entry => {
    const isUpgrade = index % 9_999 === 0;
    const entry = {
      ...makeEntry({
        ...{ vid: 1, seqno: index + 1, time: 1, session: ORIGIN, number: 0, acknowledgedThrough: 0 },
        ...{ kind: "tick", body: encodeUpgrade({ from: [], to: [] }) },
      }),
    };
    Object.defineProperty(entry, "kind", {
      get: () => {
        looks++;
        return isUpgrade ? "upgrade" : "tick";
      },
    });
    return entry;
  };
  const durable: DurableState = {
    ...{ identity: { incarnation: "i", clusterId: "c" }, machines: undefined, setAside: undefined, view: undefined },
    ...{ promised: undefined, accepted: undefined, level: undefined, snapshot: undefined, base: ORIGIN },
    entries: Array.from({ length: COUNT }, (_, index) => entryAt(index)),
  };
  const turns: (() => void)[] = [];
  const environment = { now: () => 0, endOfTurn: (callback: () => void) => turns.push(callback) };
  let booted: Booted | undefined;
  const storage = { open: (done: (error: undefined, state: DurableState) => void) => done(undefined, durable) };
  boot(
    {
      id: "a",
      storage: storage as unknown as Storage,
      environment: environment as unknown as Environment,
      able: [],
      restore: () => {
        throw new Error("there is no snapshot");
      },
      sliceMs: 5,
      opened: () => {},
      failed: () => {},
    },
    (_error, result) => {
      booted = result;
    },
  );
  for (let turn = turns.shift(); ; turn = turns.shift()) {
    assert.ok(looks <= MOST_PER_TURN, `${looks} in a turn`);
    looks = 0;
    if (turn === undefined) break;
    turn();
  }
  assert.equal(
    booted?.upgrades.map(({ seqno }) => seqno),
    Array.from({ length: 11 }, (_, index) => index * 9_999 + 1),
  );
});

test.run();
