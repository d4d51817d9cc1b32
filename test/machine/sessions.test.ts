// What a machine does without a command: sessions end, deadlines come, notices stand.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine } from "../../src/machine/define.ts";
import { Host } from "./support.ts";

/** Alarms ring at their time, and go on ringing until their session answers or ends. */
function alarms(name: string) {
  return defineMachine({
    name,
    version: 1,
    init: () => ({ set: new Map<string, number>(), ringing: [] as string[], ended: 0 }),
    commands: {
      alarm: command(v.number(), (state, at, { session }) => void state.set.set(session, at)),
      answer: command(v.null(), (state, _input, { session }) => {
        state.ringing = state.ringing.filter((ringing) => ringing !== session);
      }),
      break: command(v.null(), (state) => void Object.assign(state, { set: 5 })),
    },
    notices: (state, session) => (state.ringing.includes(session) ? [{ ring: session }] : []),
    sessionEnded: (state, session, ctx) => {
      state.set.delete(session);
      state.ringing = state.ringing.filter((ringing) => ringing !== session);
      state.ended++;
      for (const other of state.set.keys()) ctx.notify(other, { gone: session, ...(ctx.isLost && { isLost: true }) });
    },
    deadline: (state) => (state.set.size === 0 ? undefined : Math.min(...state.set.values())),
    tick: (state, { now, notify }) => {
      for (const [session, at] of state.set) {
        if (at > now) continue;
        state.set.delete(session);
        state.ringing.push(session);
        notify(session, { ring: session });
      }
    },
  });
}

test("a deadline is asked for and met by a tick", () => {
  const host = new Host(alarms("a"));
  assert.is(host.machine.nextDeadline(), undefined);
  host.value("a", "alarm", 1500, "1.1");
  host.value("a", "alarm", 1200, "1.2");
  assert.is(host.machine.nextDeadline(), 1200);
  host.now = 1200;
  host.tick();
  assert.equal(host.notices, [{ session: "1.2", machine: "a", value: { ring: "1.2" } }]);
  assert.is(host.machine.nextDeadline(), 1500);
});

test("a tick is for those machines only whose deadline has come", () => {
  const every = (name: string, ms: number) =>
    defineMachine({
      name,
      version: 1,
      init: () => ({ next: 1000 + ms }),
      commands: {},
      deadline: (state) => state.next,
      tick: (state, { now, notify }) => {
        state.next += ms;
        notify("1.1", now);
      },
    });
  const host = new Host([every("slow", 300), every("fast", 100)]);
  for (host.now = 1050; host.now <= 1400; host.now += 50) host.tick();
  assert.equal(
    host.notices.map(({ machine, value }) => `${machine} ${value}`),
    ["fast 1100", "fast 1200", "fast 1300", "slow 1300", "fast 1400"],
  );
});

test("outstanding notices are a view of the state", () => {
  const host = new Host(alarms("a"));
  host.value("a", "alarm", 1100, "1.1");
  assert.equal(host.outstanding("1.1"), []);
  host.now = 1100;
  host.tick();
  assert.equal(host.outstanding("1.1"), [{ ring: "1.1" }]);
  assert.equal(host.outstanding("1.1"), [{ ring: "1.1" }]);
  assert.equal(host.outstanding("1.2"), []);
  host.value("a", "answer", null, "1.1");
  assert.equal(host.outstanding("1.1"), []);
});

test("an outstanding notice that is too long is left out, and said to be", () => {
  const talker = defineMachine({
    name: "talker",
    version: 1,
    init: () => ({}),
    commands: {},
    notices: () => ["short", "x".repeat(1000)],
  });
  const host = new Host(talker, { maxReplyBytes: 1000 });
  assert.equal(host.outstanding("1.1"), ["short"]);
  assert.equal(
    host.faults.map(({ where, error }) => `${where}: ${error}`),
    ["notices: RangeError: a notice has at most 1000 bytes, this one 1011"],
  );
});

test("the end of a session lets go of what it held and may tell others", () => {
  const host = new Host(alarms("a"));
  host.value("a", "alarm", 1100, "1.1");
  host.value("a", "alarm", 1200, "1.2");
  host.endSession("1.1");
  assert.equal(host.notices, [{ session: "1.2", machine: "a", value: { gone: "1.1" } }]);
  assert.is(host.machine.nextDeadline(), 1200);
});

test("a machine is told whether a session was lost", () => {
  const host = new Host(alarms("a"));
  host.value("a", "alarm", 1200, "1.2");
  host.endSession("1.1", true);
  host.endSession("1.3");
  assert.equal(
    host.notices.map(({ value }) => value),
    [{ gone: "1.1", isLost: true }, { gone: "1.3" }],
  );
});

test("of several machines the next deadline counts, and each ticks at its own", () => {
  const host = new Host([alarms("b"), alarms("a")]);
  host.value("b", "alarm", 1100, "1.1");
  host.value("a", "alarm", 1200, "1.1");
  assert.is(host.machine.nextDeadline(), 1100);
  host.now = 1150;
  host.tick();
  assert.equal(
    host.notices.map(({ machine }) => machine),
    ["b"],
  );
  assert.is(host.machine.nextDeadline(), 1200);
  host.endSession("1.1");
  assert.is(host.machine.nextDeadline(), undefined);
  assert.equal(host.outstanding("1.1"), []);
});

test("faults outside commands are traced and harm nobody", () => {
  const host = new Host([alarms("a"), alarms("b")]);
  host.value("a", "break", null);
  host.value("b", "alarm", 1100, "1.2");
  host.faults.length = 0;
  assert.is(host.machine.nextDeadline(), 1100);
  host.endSession("1.1");
  assert.equal(host.notices, [{ session: "1.2", machine: "b", value: { gone: "1.1" } }]);
  assert.equal(
    host.faults.map(({ machine, where }) => `${machine}.${where}`),
    ["a.deadline", "a.sessionEnded"],
  );
});

test("deadlines that are no moments are none", () => {
  for (const deadline of [Number.NaN, Number.POSITIVE_INFINITY, "5" as never]) {
    const machine = defineMachine({
      name: "m",
      version: 1,
      init: () => ({ ticks: 0 }),
      commands: {},
      deadline: () => deadline,
      tick: (state) => void state.ticks++,
    });
    assert.is(new Host(machine).machine.nextDeadline(), undefined);
  }
});

test.run();
