import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { forget, type Intent, type MembershipChange, nextView, type Situation } from "../../src/config/next-view.ts";
import { findById, includesIdentity, type View } from "../../src/protocol/view.ts";
import { member, members, textOf, viewOf } from "./views.ts";

interface Told {
  readonly intent?: Intent;
  readonly unfit?: string;
  readonly returned?: string;
  readonly forgettable?: string;
  readonly minCopies?: number;
  /** By default a primary leads. */
  readonly leads?: boolean;
}

function situation(view: View, self: string, promises: string, told: Told = {}): Situation {
  return {
    view,
    self: member(self),
    intent: told.intent ?? { kind: "shrink" },
    rollCall: new Set(promises),
    unfit: new Set(told.unfit ?? ""),
    returned: new Map(members(told.returned ?? "").map((one) => [one.id, one])),
    urls: new Map(),
    forgettable: [...(told.forgettable ?? "")],
    minCopies: told.minCopies ?? 2,
    leads: told.leads ?? view.primary === self,
  };
}

/** What `self` proposes after `view`, holding the promises of the given ids. */
function next(view: string, self: string, promises: string, told?: Told): string {
  return textOf(nextView(situation(viewOf(view), self, promises, told)));
}

const admit = (learner: string): Told => ({ intent: { kind: "admit", learner: member(learner) } });
const change = (made: MembershipChange): Told => ({ intent: { kind: "shrink", change: made } });
const remove = (id: string): Told => change({ action: "remove", id });
const handOver: Told = { intent: { kind: "handOver" } };

test("a shrink names only members whose promise is held; who is left out stays an acceptor", () => {
  assert.is(next("a* b c", "a", "ab"), "a* b | c");
  assert.is(next("a* b c d e", "a", "acd"), "a* c d | b e");
  assert.is(next("a* b c", "a", "abc"), "a* b c");
  assert.is(next("a* b c | d", "a", "abd"), "a* b | c d");
});

test("views are numbered without gaps", () => {
  assert.is(nextView(situation(viewOf("a* b c", 41), "a", "ab"))?.vid, 42);
});

test("the primary stays primary while it is a member, else the smallest id takes its place", () => {
  assert.is(next("a b* c", "b", "ab"), "a b* | c");
  assert.is(next("a* b c", "c", "bc"), "b* c | a");
  assert.is(next("a b c* d", "d", "bd"), "b* d | a c");
});

test("a member that answers but does not log is left out", () => {
  assert.is(next("a* b c", "a", "abc", { unfit: "c" }), "a* b | c");
});

test("a member that does not log stays where it cannot be spared: no view is made to remove it", () => {
  assert.is(next("a* b", "a", "ab", { unfit: "b" }), "none");
  assert.is(next("a* b", "b", "ab", { unfit: "a" }), "a* b");
});

test("where nobody can be spared the same members are a view for an operator's change", () => {
  assert.is(
    next("a* b", "a", "ab", { ...change({ action: "add", id: "c", url: "memory://c" }), unfit: "b" }),
    "a* b | ?c",
  );
  assert.is(next("a* b | !c", "a", "ab", { ...change({ action: "lift", id: "c" }), unfit: "b" }), "a* b");
});

test("no view has fewer than minCopies members", () => {
  assert.is(next("a* b | c", "a", "ac"), "none");
  assert.is(next("a* b c", "a", "ab", { minCopies: 3 }), "none");
  assert.is(next("a* b", "a", "a", { minCopies: 1 }), "a* | b");
});

test("a view of two whose primary is lost is taken over, enlarged, and then the lost one is removed", () => {
  assert.is(next("a* b | c", "b", "bc"), "a b* | c");
  assert.is(next("a b* | c", "b", "bc", admit("c")), "a b* c");
  assert.is(next("a b* c", "b", "bc"), "b* c | a");
});

test("a takeover has no roll call, and is for a backup or a primary that found its view on disk", () => {
  assert.is(next("a* b | c d e", "b", "cde"), "a b* | c d e");
  assert.is(next("a* b | c", "a", "ac", { leads: false }), "a* b | c");
  assert.is(next("a* b | c", "a", "ac", { leads: true }), "none");
});

test("an operator's change is not made by taking over", () => {
  assert.is(next("a* b | c", "b", "bc", remove("c")), "none");
});

test("to finish an instance the primary may name the same members again", () => {
  assert.is(next("a* b | c", "a", "ac", { intent: { kind: "finish" } }), "a* b | c");
  assert.is(next("a* b c", "a", "ab", { intent: { kind: "finish" } }), "a* b | c");
});

test("a returned member is removed and replaced among the acceptors", () => {
  assert.is(next("a* b c", "a", "ab", { returned: "c2" }), "a* b | c2");
  assert.is(next("a* b c", "a", "abc", { returned: "c2" }), "a* b | c2");
});

test("only members that returned as a new incarnation are dropped below minCopies", () => {
  assert.is(next("a* b", "b", "b", { returned: "a2" }), "b* | a2");
  assert.is(next("a* b c", "c", "c", { returned: "a2 b2" }), "c* | a2 b2");
  assert.is(next("a* b c | d", "b", "bd", { returned: "a2", minCopies: 3 }), "a b* c | d");
});

test("a takeover replaces a returned acceptor, but no member", () => {
  assert.is(next("a* b c | d", "c", "cd", { returned: "d2", minCopies: 3 }), "a b c* | d2");
  assert.is(next("a* b c | d", "c", "cd", { returned: "b2 d2", minCopies: 3 }), "a b c* | d2");
});

test("only the primary that leads admits", () => {
  assert.is(next("a* b | c", "a", "ab", admit("c")), "a* b c");
  assert.is(next("a* b | c", "b", "ab", admit("c")), "none");
  assert.is(next("a* b | c", "a", "ab", { ...admit("c"), leads: false }), "none");
});

test("an admit keeps all members, whoever has promised", () => {
  assert.is(next("a* b c | d e", "a", "ade", { ...admit("d"), unfit: "b" }), "a* b c d | e");
});

test("a learner that is new becomes an acceptor, one that returned takes its old place", () => {
  assert.is(next("a* b | ?d", "a", "ab", admit("d")), "a* b d");
  assert.is(next("a* b | c", "a", "ab", admit("c2")), "a* b c2");
});

test("no id is admitted while another incarnation of it is a member, or while it is barred", () => {
  assert.is(next("a* b c", "a", "abc", { ...admit("c2"), returned: "c2" }), "none");
  assert.is(next("a* b | !c", "a", "ab", admit("c")), "none");
});

test("an admit replaces a returned acceptor, but no member", () => {
  assert.is(next("a* b | c d", "a", "ab", { ...admit("c"), returned: "d2" }), "a* b c | d2");
  assert.is(next("a* b | c", "a", "ac", { ...admit("c"), returned: "b2" }), "a* b c");
});

test("a hand-over leaves its proposer out, and is not made below minCopies", () => {
  assert.is(next("a* b c", "a", "abc", handOver), "b* c | a");
  assert.is(next("a* b", "a", "ab", handOver), "none");
  assert.is(next("a* b c", "a", "ab", handOver), "none");
  assert.is(next("a* b", "a", "ab", { ...handOver, minCopies: 1 }), "b* | a");
});

test("an operator's removal bars the id and takes it from the acceptors", () => {
  assert.is(next("a* b c", "a", "abc", remove("c")), "a* b | !c");
  assert.is(next("a* b | c", "a", "ab", remove("c")), "a* b | !c");
  assert.is(next("a* b c", "a", "abc", remove("a")), "b* c | !a");
  assert.is(next("a* b | ?d", "a", "ab", remove("d")), "a* b | !d");
  assert.is(next("a* b", "a", "ab", remove("b")), "none");
});

test("an operator's addition invites, and lifting takes an id from the barred", () => {
  assert.is(next("a* b c", "a", "abc", change({ action: "add", id: "d", url: "memory://d" })), "a* b c | ?d");
  assert.is(next("a* b c | !d !e", "a", "abc", change({ action: "lift", id: "d" })), "a* b c | !e");
});

test("a change and the loss of a member go into one view", () => {
  assert.is(next("a* b c d", "a", "abc", remove("c")), "a* b | d !c");
});

test("a changed address is written in the next view, but only that of the same incarnation", () => {
  const told = { ...situation(viewOf("a* b | c"), "a", "ab"), urls: new Map([["b", "memory://elsewhere"]]) };
  const made = nextView(told);
  assert.is(findById(made?.members ?? [], "b")?.url, "memory://elsewhere");
  assert.is(findById(made?.acceptors ?? [], "b")?.url, "memory://elsewhere");
  const returned = new Map([["c", { ...member("c2"), url: "memory://second" }]]);
  const replaced = nextView({ ...told, returned, urls: new Map([["c", "memory://elsewhere"]]) });
  assert.is(findById(replaced?.acceptors ?? [], "c")?.url, "memory://second");
});

function left(acceptors: string, belonging: string, silent: string): string {
  return forget(members(acceptors), members(belonging), [...silent])
    .map(({ id }) => id)
    .join("");
}

test("forgetting leaves an odd number of at least three acceptors", () => {
  assert.is(left("a b c d e", "a b", "c"), "abcde", "four would be left");
  assert.is(left("a b c d e", "a b", "cd"), "abe");
  assert.is(left("a b c d e", "a b", "cde"), "abe", "two would be left");
  assert.is(left("a b c d", "a b", "c"), "abd");
  assert.is(left("a b c d", "a b", "cd"), "abd", "two would be left");
  assert.is(left("a b c d e f", "a b", "cd"), "abdef", "four would be left");
  assert.is(left("a b c", "a", "bc"), "abc");
});

test("a member is never forgotten", () => {
  assert.is(left("a b c d", "a b c", "abc"), "abcd");
  assert.is(next("a* b c d", "a", "abc", { forgettable: "d" }), "a* b c");
  assert.is(next("a* b c d", "a", "abcd", { forgettable: "d" }), "a* b c d");
});

const anyView: fc.Arbitrary<View> = fc
  .record({ ids: fc.subarray([..."abcde"], { minLength: 1 }), idle: fc.subarray([..."fgh"]), primary: fc.nat() })
  .map(({ ids, idle, primary }) => {
    const list = ids.map((id, index) => (index === primary % ids.length ? `${id}*` : id));
    return viewOf(`${list.join(" ")} | ${idle.join(" ")}`);
  });

const anySituation: fc.Arbitrary<Situation> = anyView.chain((view) => {
  const ids = view.acceptors.map(({ id }) => id);
  const kinds: readonly Intent[] = [
    { kind: "shrink" },
    { kind: "finish" },
    { kind: "handOver" },
    ...["f", "a2", "x"].map((word): Intent => ({ kind: "admit", learner: member(word) })),
    ...ids.map((id): Intent => ({ kind: "shrink", change: { action: "remove", id } })),
  ];
  return fc
    .record({
      self: fc.constantFrom(...view.members),
      intent: fc.constantFrom(...kinds),
      promises: fc.subarray(ids),
      unfit: fc.subarray(ids),
      returned: fc.subarray(ids),
      forgettable: fc.subarray(ids),
      minCopies: fc.integer({ min: 1, max: 3 }),
      isFromDisk: fc.boolean(),
    })
    .map(({ self, intent, promises, unfit, returned, forgettable, minCopies, isFromDisk }) => ({
      ...situation(view, self.id, "", { intent, forgettable: forgettable.join(""), minCopies }),
      rollCall: new Set([...promises, self.id]),
      unfit: new Set(unfit.filter((id) => id !== self.id)),
      returned: new Map(returned.filter((id) => id !== self.id).map((id) => [id, member(`${id}2`)])),
      leads: view.primary === self.id && !isFromDisk,
    }));
});

/** The in-sync invariant and the rules around it (design.md 4.2), for whatever view is made. */
test("whatever the situation, a view is made by shrink, takeover or admit", () => {
  fc.assert(
    fc.property(anySituation, (told) => {
      const made = nextView(told);
      if (made === undefined) return;
      const { view, intent, rollCall, returned, minCopies, self } = told;
      const fresh = made.members.filter((one) => !includesIdentity(view.members, one));
      const dropped = view.members.filter((one) => !includesIdentity(made.members, one));
      assert.ok(findById(made.members, made.primary) !== undefined, "the primary is a member");
      for (const one of made.members) assert.ok(includesIdentity(made.acceptors, one), "members are acceptors");
      if (intent.kind === "admit") {
        assert.equal(fresh, [intent.learner]);
        assert.is(dropped.length, 0);
        assert.ok(view.primary === self.id && told.leads && made.primary === view.primary);
        return;
      }
      assert.is(fresh.length, 0, "only an admit adds");
      const isTakeOver = dropped.length === 0 && made.primary === self.id;
      if (!isTakeOver) for (const { id } of made.members) assert.ok(rollCall.has(id), `${id} is not in the roll call`);
      const isEnough = made.members.length >= Math.min(minCopies, view.members.length);
      assert.ok(isEnough || dropped.every(({ id }) => returned.has(id)), "no fewer than minCopies");
      const stays = includesIdentity(made.members, findById(view.members, view.primary) ?? self);
      if (stays && !isTakeOver) assert.is(made.primary, view.primary);
    }),
    { numRuns: 2000 },
  );
});

test.run();
