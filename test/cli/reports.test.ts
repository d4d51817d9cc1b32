import { suite } from "uvu";
import * as assert from "uvu/assert";
import { factOf, storyOf } from "../../src/entry/cli/facts.ts";
import { type NodeAnswer, reportLines, reportOf } from "../../src/entry/cli/status-report.ts";
import { makeStyle } from "../../src/entry/cli/terminal.ts";
import type { NodeStatus } from "../../src/protocol/client-messages.ts";
import type { Member, View } from "../../src/protocol/view.ts";

function member(id: string): Member {
  return { id, incarnation: `${id}-1`, url: `ws://${id}:1` };
}

const view: View = {
  vid: 4,
  members: [member("a"), member("b")],
  acceptors: [member("a"), member("b"), member("c")],
  barred: ["d"],
  invited: [],
  primary: "b",
};

function status(id: string, changes: Partial<NodeStatus>): NodeStatus {
  const { vid, primary, members, acceptors, barred, invited } = view;
  const place = { viewstamp: { vid: 4, seqno: 90 }, commit: 89, applied: 88, hash: 1, sessions: 2 };
  return {
    ...{ id, incarnation: `${id}-1`, clusterId: "f00", runtime: "node 20.20.2", role: "backup", active: true },
    ...{
      vid,
      primary,
      members,
      acceptors,
      barred,
      invited,
      ...place,
      snapshotPauseMs: 0,
      restorePauseMs: 0,
      trouble: "",
      machines: [],
    },
    ...changes,
  };
}

function answer(id: string, changes: Partial<NodeStatus>): NodeAnswer {
  return { url: `ws://${id}:1`, id, status: status(id, changes), trouble: "", reason: "" };
}

const silent: NodeAnswer = {
  ...{ url: "ws://c:1", id: "c", status: undefined, trouble: "unreachable" },
  reason: "ws://c:1: connect ECONNREFUSED",
};
const plain = makeStyle(false);
const reports = suite("status");

reports("believes the node that knows the newest view", () => {
  const stale = answer("a", { vid: 3, role: "primary", primary: "a" });
  const report = reportOf([stale, answer("b", { role: "primary" }), silent]);
  assert.ok(report.serving);
  assert.is(report.vid, 4);
  assert.is(report.primary, "b");
  assert.equal(report.members, ["a", "b"]);
  assert.not(reportOf([stale, answer("b", { role: "primary", active: false })]).serving);
});

reports("is a headline, what is unusual, and a line for each node", () => {
  const lines = reportLines(reportOf([answer("a", {}), answer("b", { role: "primary" }), silent]), plain);
  assert.is(lines[0], "view 4: members a b, primary b, serving");
  assert.is(lines[1], "absent, counted for majorities: c");
  assert.is(lines[2], "barred: d");
  assert.match(lines[5]!, /^a +backup +active +4 +4\.90 +89 +88 +2 +node 20\.20\.2 +ws:\/\/a:1$/);
  assert.match(lines[7]!, /^c +- .* unreachable +ws:\/\/c:1$/);
  assert.is(lines[8], "c: ws://c:1: connect ECONNREFUSED", "why it cannot be reached");
});

reports("says which machine runs in which version, and who could run more", () => {
  const machines = (...able: number[]): NodeStatus["machines"] => [{ name: "stock", version: 1, able }];
  const nodes = [answer("a", { machines: machines(1) }), answer("b", { role: "primary", machines: machines(1, 2) })];
  const lines = reportLines(reportOf(nodes), plain);
  assert.is(lines[3], "machine stock: version 1, b could run 2");
  assert.is(lines[4], "");
});

reports("says what to do when all could run a newer machine and do not", () => {
  const machines: NodeStatus["machines"] = [{ name: "stock", version: 1, able: [1, 2] }];
  const lines = reportLines(reportOf([answer("a", { machines }), answer("b", { role: "primary", machines })]), plain);
  assert.is(lines[3], "machine stock: version 1, a could run 2, b could run 2");
  assert.match(lines[4]!, "migrate has failed, and each node's messages say why. Mend it, and restart");
  const done = machines.map((one) => ({ ...one, version: 2 }));
  const after = reportLines(
    reportOf([answer("a", { machines: done }), answer("b", { role: "primary", machines: done })]),
    plain,
  );
  assert.not.match(after.join(), "migrate");
});

reports("says for how long a state in one piece has stopped a node", () => {
  const nodes = [
    answer("a", { snapshotPauseMs: 340.4, restorePauseMs: 12 }),
    answer("b", { role: "primary", snapshotPauseMs: 80, restorePauseMs: 510 }),
    answer("c", { snapshotPauseMs: 8, restorePauseMs: 7 }),
  ];
  assert.equal(reportLines(reportOf(nodes), plain).slice(-2), [
    "a: stood still for 340 ms to take a snapshot",
    "b: stood still for 80 ms to take a snapshot, for 510 ms to restore one",
  ]);
});

reports("says so when nothing is known", () => {
  assert.is(reportLines(reportOf([silent]), plain)[0], "no node answers");
  const alone = answer("a", { vid: 0, role: "none" });
  assert.match(reportLines(reportOf([alone, silent]), plain)[0]!, "founded once every node of it runs");
});

reports("says which data was set aside, and that no cluster is there because of it", () => {
  const trouble = "its data was set aside, and no node it reaches has a copy: log-00000001 is damaged";
  const lost = answer("a", { vid: 0, role: "none", trouble });
  const lines = reportLines(reportOf([lost, silent]), plain);
  assert.match(lines[0]!, "no node that answers has healthy data");
  assert.is(lines.at(-1), `a: ${trouble}`);
});

reports.run();

const facts = suite("facts");

facts("carry ids for members, and always who tells", () => {
  assert.equal(factOf("b", { event: "view", view }), {
    ...{ event: "view", id: "b", vid: 4, members: ["a", "b"], primary: "b" },
    ...{ acceptors: ["a", "b", "c"], barred: ["d"] },
  });
  assert.equal(factOf("b", { event: "active", vid: 4 }), { event: "active", vid: 4, id: "b" });
  assert.equal(factOf("b", { event: "suspected", id: "a", reason: "silent" }), {
    ...{ event: "suspected", id: "b", node: "a", reason: "silent" },
  });
  assert.equal(factOf("b", { event: "stopped", error: undefined }), { event: "stopped", id: "b" });
});

facts("are told to people in words", () => {
  assert.is(storyOf({ event: "view", view }, plain), "view 4: members a b, primary b");
  assert.is(storyOf({ event: "path", name: "adopted" }, plain), undefined);
  const machines = [{ name: "stock", version: 2 }];
  assert.is(storyOf({ event: "upgraded", machines, pauseMs: 1 }, plain), 'after the upgrade: runs "stock" version 2');
  assert.is(storyOf({ event: "tooOld", running: machines, text: "too old" }, plain), "too old");
  const error = { code: "Diverged", text: "replicas differ" } as const;
  assert.is(storyOf({ event: "stopped", error }, plain), "stopped: replicas differ");
});

facts.run();
