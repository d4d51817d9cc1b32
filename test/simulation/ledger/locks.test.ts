// Rules 12 to 14: what the history tells clients of locks, whom they trust, and who is woken.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Queue } from "../../../src/locks/machine-queue.ts";
import { LockTable } from "../../../src/locks/machine-state.ts";
import { encodeNotice } from "../../../src/protocol/calls.ts";
import type { Notice } from "../../../src/protocol/machine.ts";
import { ORIGIN } from "../../../src/protocol/view.ts";
import { faultOfEnded, faultOfHolders } from "../../../src/simulator/ledger/rules/exclusion.ts";
import { faultOfQueue } from "../../../src/simulator/ledger/rules/wake-ups.ts";
import { viewOf } from "../../config/views.ts";
import { declined, granted, revoke, Story } from "./lock-story.ts";
import { ballot, entry, Scene, stateOf } from "./scene.ts";

const twelve = suite("rule 12");

twelve("a lock goes from one to the next", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.acquire(story.two, 1, "queued");
  story.acquire(story.two, 2, "unavailable", "ifAvailable");
  story.release(story.one, 1, 10n, [granted(story.two, 1, 20n)]);
  story.cancel(story.two, 1);
  story.end(story.one);
  story.end(story.two);
  story.over();
  assert.equal(story.broken, []);
});

twelve("shared holders stand beside each other, and none beside an exclusive one", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n, "wait", "shared");
  story.acquire(story.two, 1, 20n, "wait", "shared");
  assert.equal(story.broken, []);
  story.acquire(story.two, 2, 30n);
  assert.equal(story.broken, [12]);
});

twelve("a release under another tenure's token frees nothing", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.release(story.one, 1, 9n);
  assert.equal(story.broken, []);
  story.acquire(story.two, 1, 20n);
  assert.equal(story.broken, [12]);
});

twelve("a robbed holder does not count, and may hear of it late", () => {
  const story = new Story({ trusting: () => undefined, believed: () => [10n] });
  story.acquire(story.one, 1, 10n);
  story.acquire(story.two, 1, 20n, "steal");
  assert.equal(story.broken, []);
});

twelve("a steal from a client that may not use the lock, before it could say so, is seen", () => {
  const keeping = (): Story => {
    const story = new Story();
    story.keep(story.one, 1, 10n);
    return story;
  };
  const told = (story: Story): { told: Notice[] } => ({ told: [revoke(story.one, 1, 10n, true)] });
  const atOnce = keeping();
  atOnce.acquire(atOnce.two, 1, 30n, "steal");
  assert.equal(atOnce.broken, [12]);
  const asking = (): Story => {
    const story = keeping();
    story.acquire(story.two, 1, "queued", "steal", "exclusive", told(story));
    story.pass(999);
    return story;
  };
  const early = asking();
  early.tick([granted(early.two, 1, 30n)]);
  assert.equal(early.broken, [12]);
  const late = asking();
  late.pass(1);
  late.tick([granted(late.two, 1, 30n)]);
  const unused = asking();
  unused.release(unused.one, 1, 10n, [granted(unused.two, 1, 30n)]);
  const used = asking();
  used.settle(used.one, [1, 10n], [[2, 11n, "exclusive"]], [granted(used.two, 1, 30n)]);
  for (const { broken } of [late, unused, used]) assert.equal(broken, []);
  const never = asking();
  never.pass(1);
  never.tick();
  assert.equal(never.broken, [14]);
});

twelve("a settlement of what was not kept, or into what was not had, is seen", () => {
  const kept = (act: (story: Story) => void): number[] => {
    const story = new Story();
    story.keep(story.one, 1, 10n, "shared");
    assert.equal(story.broken, []);
    act(story);
    return story.broken;
  };
  assert.equal(
    kept((story) => story.settle(story.one, [1, 10n], [[2, 12n, "shared"]])),
    [],
  );
  assert.equal(
    kept((story) => story.settle(story.two, [1, 10n], [[2, 12n, "shared"]])),
    [12],
  );
  assert.equal(
    kept((story) => story.settle(story.one, [1, 10n], [[2, 12n, "shared"]], [], false)),
    [12],
  );
  assert.equal(
    kept((story) => story.settle(story.one, [1, 10n], [[2, 20n, "shared"]])),
    [12],
  );
  assert.equal(
    kept((story) => {
      story.keep(story.two, 1, 30n, "shared");
      story.settle(story.one, [1, 10n], [[2, 12n, "exclusive"]]);
    }),
    [12],
  );
});

twelve("a grant to a session that is over is seen", () => {
  const story = new Story();
  story.end(story.one);
  story.acquire(story.one, 1, 10n);
  assert.equal(story.broken, [12]);
});

twelve("a replica's own table is looked at", () => {
  const asked = {
    session: "1.1",
    xid: 1,
    mode: "exclusive",
    since: 0,
    owner: "",
    permits: 0,
    delayMs: 0,
    group: 0,
  } as const;
  const one = { ...asked, token: 1n, waited: false, keep: 0, asked: false, keeps: false, probes: false, robsAt: 0 };
  const two = { ...one, session: "1.2" };
  const lock = { holders: [one], queue: Queue.EMPTY, stolen: [], declined: [], barred: undefined };
  const table = new LockTable();
  assert.is(faultOfHolders("x", lock), undefined);
  assert.type(faultOfHolders("x", { ...lock, holders: [one, two] }), "string");
  assert.is(faultOfEnded("1.2", "x", lock), undefined);
  assert.type(faultOfEnded("1.1", "x", lock), "string");
  assert.is(faultOfQueue(table, "x", { ...lock, queue: Queue.of([two]) }), undefined);
  assert.type(faultOfQueue(table, "x", { ...lock, holders: [], queue: Queue.of([two]) }), "string");
  assert.type(faultOfQueue(table, "x", { ...lock, queue: Queue.of([{ ...two, probes: true }]) }), "string");
  assert.is(
    faultOfQueue(table, "x", { ...lock, holders: [{ ...one, keep: 1 }], queue: Queue.of([{ ...two, probes: true }]) }),
    undefined,
  );
  const [permit, other] = [one, two].map((asked) => ({ ...asked, mode: "shared" as const, permits: 1 }));
  assert.is(faultOfHolders("x", { ...lock, holders: [permit!] }), undefined);
  assert.type(faultOfHolders("x", { ...lock, holders: [permit!, other!] }), "string");
  const barred = { session: "1.3", owner: "", since: 0, token: 0n, until: 5 };
  assert.type(faultOfHolders("x", { ...lock, barred }), "string");
  assert.is(faultOfQueue(table, "x", { ...lock, barred, holders: [], queue: Queue.of([two]) }), undefined);
});

twelve.run();

const thirteen = suite("rule 13");

thirteen("a token that repeats or falls is seen, one that is told again is not", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.acquire(story.one, 1, 10n);
  assert.equal(story.broken, []);
  story.release(story.one, 1, 10n);
  story.acquire(story.two, 1, 10n);
  assert.equal(story.broken, [13]);
});

thirteen("a client that trusts a session or a tenure that is over is seen", () => {
  const calm = new Story({ trusting: () => undefined, believed: () => [] });
  calm.acquire(calm.one, 1, 10n);
  calm.end(calm.one);
  assert.equal(calm.broken, []);
  const session = new Story({ trusting: () => 1, believed: () => [] });
  session.end(session.one);
  assert.equal(session.broken, [13]);
  const tenure = new Story({ trusting: () => undefined, believed: () => [10n] });
  tenure.acquire(tenure.one, 1, 10n);
  assert.equal(tenure.broken, []);
  tenure.end(tenure.one);
  assert.equal(tenure.broken, [13]);
});

thirteen("a client that acts under a tenure that is over is seen, one that was robbed may not know", () => {
  const held = new Story();
  held.keep(held.one, 1, 10n);
  held.act(10n);
  held.act(12n);
  held.settle(held.one, [1, 10n], [[2, 12n, "exclusive"]]);
  held.acquire(held.two, 1, 20n, "steal");
  held.act(12n);
  held.act(20n);
  assert.equal(held.broken, []);
  const anew = new Story();
  anew.keep(anew.one, 1, 10n);
  anew.settle(anew.one, [1, 10n], [[2, 12n, "exclusive"]]);
  anew.acquire(anew.two, 1, 20n, "steal");
  anew.act(13n);
  assert.equal(anew.broken, [13], "it took the lock again after it was robbed");
  held.end(held.two);
  held.act(20n);
  assert.equal(held.broken, [13]);
  const never = new Story();
  never.acquire(never.two, 1, 10n);
  never.acquire(never.one, 1, "queued");
  never.act(5n);
  assert.equal(never.broken, [13]);
});

thirteen("a client that takes a session for alive when it is over is seen", () => {
  const story = new Story();
  story.rely(story.one);
  story.end(story.two);
  story.rely(story.one);
  assert.equal(story.broken, []);
  story.rely(story.two);
  assert.equal(story.broken, [13]);
});

thirteen("a local re-acquisition belongs to its tenure, for as long as its tokens go", () => {
  const believing = (token: bigint): Story => new Story({ trusting: () => undefined, believed: () => [token] });
  for (const [token, broken] of [
    [15n, []],
    [20n, [13]],
  ] as const) {
    const story = believing(token);
    story.keep(story.one, 1, 10n);
    story.acquire(story.two, 1, "queued", "wait", "exclusive", { told: [revoke(story.one, 1, 10n)] });
    assert.equal(story.broken, broken);
  }
  const refilled = believing(45n);
  refilled.keep(refilled.one, 1, 10n, "shared");
  refilled.keep(refilled.two, 1, 30n, "shared");
  assert.equal(refilled.broken, [13]);
  const later = believing(15n);
  later.keep(later.one, 1, 10n, "shared");
  later.refill(later.one, [1, 10n], 40n);
  later.keep(later.two, 1, 60n, "shared");
  assert.equal(later.broken, []);
  later.release(later.one, 1, 10n);
  assert.equal(later.broken, [13]);
});

thirteen("a token that a kept tenure may have used is given to nobody else", () => {
  const story = new Story();
  story.keep(story.one, 1, 10n);
  story.release(story.one, 1, 10n);
  story.acquire(story.two, 1, 19n);
  assert.equal(story.broken, [13]);
  const other = new Story();
  other.keep(other.one, 1, 10n, "shared");
  other.keep(other.two, 1, 30n, "shared");
  other.refill(other.one, [1, 10n], 39n);
  assert.equal(other.broken, [13]);
});

thirteen("the uses that a kept tenure is settled into are what its client believes in", () => {
  const believed: bigint[] = [12n, 14n];
  const story = new Story({ trusting: () => undefined, believed: () => believed });
  story.keep(story.one, 1, 10n, "shared");
  story.settle(
    story.one,
    [1, 10n],
    [
      [2, 12n, "shared"],
      [3, 14n, "shared"],
    ],
  );
  story.acquire(story.two, 1, 30n, "wait", "shared");
  assert.equal(story.broken, []);
  story.release(story.one, 3, 14n);
  assert.equal(story.broken, [13]);
});

const KEEP = { type: "keepAlive", xid: 1, session: { vid: 1, seqno: 1 } } as const;
const KEPT = { type: "keptAlive", xid: 1 } as const;

thirteen("a keep-alive that is confirmed after the session's end was stamped is seen", () => {
  const scene = Scene.of("a* b");
  const open = entry(1, 1, { kind: "open", session: ORIGIN, number: 0 });
  scene.append("ab", open);
  scene.commit("a", 1);
  scene.ask("a", KEEP);
  scene.answer("a", KEPT);
  assert.equal(scene.texts, []);
  scene.ask("a", KEEP);
  scene.step("a", { entries: [open, entry(1, 2, { kind: "end", number: 0 })] });
  scene.answer("a", KEPT);
  assert.equal(scene.broken, [13]);
});

thirteen("a keep-alive that no majority has confirmed is seen", () => {
  const scene = Scene.of("a* b c");
  scene.askOnly("a", KEEP);
  scene.answer("a", KEPT);
  assert.equal(scene.broken, [13]);
});

thirteen("a keep-alive confirmed by a primary that has accepted a value for the next view is seen", () => {
  const scene = Scene.of("a* b c");
  scene.ask("a", KEEP);
  scene.promise("b", 2, ballot(1, "a"));
  scene.promise("a", 2, ballot(1, "a"));
  scene.accept("a", ballot(1, "a"), viewOf("a* b | c", 2));
  scene.answer("a", KEPT);
  assert.equal(scene.broken, [13]);
});

thirteen("a keep-alive confirmed in a view whose successor was chosen before is seen", () => {
  const scene = Scene.of("a* b c");
  scene.choose(viewOf("b* c | a", 2), ballot(1, "b"), "bc");
  scene.ask("a", KEEP);
  scene.answer("a", KEPT);
  assert.equal(scene.broken, [13]);
});

thirteen.run();

const fourteen = suite("rule 14");

fourteen("a waiter that is forgotten at a release is seen", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.acquire(story.two, 1, "queued");
  assert.equal(story.broken, []);
  story.release(story.one, 1, 10n);
  assert.equal(story.broken, [14]);
});

fourteen("a waiter lost with another's cancellation is seen", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.acquire(story.two, 1, "queued");
  story.acquire(story.two, 2, "queued");
  story.cancel(story.two, 1);
  assert.equal(story.broken, []);
  story.release(story.one, 1, 10n);
  assert.equal(story.broken, [14]);
});

fourteen("one that overtakes the line is seen", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n, "wait", "shared");
  story.acquire(story.two, 1, "queued");
  story.acquire(story.one, 2, 20n, "ifAvailable", "shared");
  assert.equal(story.broken, [14]);
});

fourteen("one who keeps a lock that others want is told, and whoever waits for an answer gets one", () => {
  const waiting = (how: string, told: (story: Story) => Notice[]): Story => {
    const story = new Story();
    story.keep(story.one, 1, 10n);
    story.acquire(story.two, 1, "queued", how, "exclusive", { told: told(story) });
    return story;
  };
  assert.equal(waiting("wait", () => []).broken, [14]);
  assert.equal(waiting("wait", ({ one }) => [revoke(one, 1, 10n)]).broken, []);
  assert.equal(waiting("wait", ({ one }) => [revoke(one, 1, 9n)]).broken, [14]);
  assert.equal(waiting("ifAvailable", ({ one }) => [revoke(one, 1, 10n)]).broken, [14]);
  const answered = (told: (story: Story) => Notice[]): number[] => {
    const story = waiting("ifAvailable", ({ one }) => [revoke(one, 1, 10n, true)]);
    assert.equal(story.broken, []);
    story.settle(story.one, [1, 10n], [[2, 11n, "exclusive"]], told(story));
    return story.broken;
  };
  assert.equal(
    answered(() => []),
    [14],
  );
  assert.equal(
    answered(({ two }) => [declined(two, 1)]),
    [],
  );
  assert.equal(
    answered(({ two }) => [declined(two, 1), declined(two, 2)]),
    [12],
  );
});

fourteen("a grant to somebody who does not wait is seen", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.release(story.one, 1, 10n, [granted(story.two, 7, 20n)]);
  assert.equal(story.broken, [14]);
});

fourteen("whoever was robbed is to be told until its client has let go", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.acquire(story.two, 1, 20n, "steal");
  assert.equal(story.outstanding(story.one), [{ type: "stolen", name: "x", xid: 1, answer: false }]);
  story.release(story.one, 1, 10n);
  assert.equal(story.outstanding(story.one), []);
  assert.equal(story.broken, []);
});

fourteen("a primary tells a session that comes to it what is outstanding", () => {
  const body = encodeNotice("locks", { type: "granted", name: "x", xid: 1, token: 1n });
  const told = Scene.of("a* b");
  told.core("a").state = stateOf(7, [body]);
  told.ask("a", KEEP);
  told.answer("a", KEPT, { type: "notice", session: KEEP.session, body });
  told.ask("a", KEEP);
  told.answer("a", KEPT);
  assert.equal(told.texts, []);
  const silent = Scene.of("a* b");
  silent.core("a").state = stateOf(7, [body]);
  silent.ask("a", KEEP);
  silent.answer("a", KEPT);
  assert.equal(silent.broken, [14]);
});

fourteen("nobody is told anything on a connection that is gone, or that its session has left for another", () => {
  const body = encodeNotice("locks", { type: "granted", name: "x", xid: 1, token: 1n });
  const late = Scene.of("a* b");
  late.ask("a", KEEP);
  late.step("a", { state: stateOf(7, [body]) }, { type: "clientGone", client: 1 });
  late.answer("a", KEPT);
  assert.equal(late.texts, []);
  const moved = Scene.of("a* b");
  moved.ask("a", KEEP);
  moved.core("a").state = stateOf(7, [body]);
  moved.step("a", {}, { type: "client", client: 2, message: { ...KEEP, xid: 2 } });
  moved.answer("a", KEPT);
  assert.equal(moved.texts, []);
});

fourteen.run();
