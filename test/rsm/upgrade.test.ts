// A cluster whose programs are replaced one by one: when it switches, and who may not come along.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { answer, loseNode, open, replies, request, start, text, versionAt } from "./kit.ts";
import { World } from "./world.ts";

const IDS = ["a", "b", "c"];
const OLD = [1];
const BOTH = [1, 2];

function replace(world: World, id: string, versions: readonly number[] = BOTH): void {
  world.kill(id);
  world.run(1000);
  world.programs.set(id, versions);
  world.restart(id);
}

/** Restarts a node with a program that can run these versions, and waits until it is a member again. */
function upgrade(world: World, id: string, versions: readonly number[] = BOTH): void {
  replace(world, id, versions);
  world.until(`${id} is back`, () => IDS.every((one) => world.members(one) === "abc"), 5000);
  world.until("requests are taken", () => IDS.some((one) => world.node(one).core.isTaking));
}

function primary(world: World): string {
  return IDS.find((id) => world.node(id).up && world.node(id).core.isTaking) ?? "none";
}

/** The commands that `id` has executed, with what migrations said among them. */
function commandsAt(world: World, id: string): readonly string[] {
  return world.node(id).machine.commands;
}

function upgradesIn(world: World, id: string): number[] {
  return world
    .node(id)
    .disk.entries.filter(({ kind }) => kind === "upgrade")
    .map(({ seqno }) => seqno);
}

function refusalOf(run: () => unknown): ViewstampError {
  try {
    run();
  } catch (error) {
    if (error instanceof ViewstampError) return error;
    throw error;
  }
  throw new Error("it was taken");
}

test("a cluster of new programs begins with the newest version that all can run, without an upgrade", () => {
  const world = start(IDS, {}, { a: [1, 2], b: [1, 2, 3], c: [2] });
  world.run(500);
  for (const id of IDS) assert.is(versionAt(world, id), 2);
  for (const id of IDS) assert.equal(upgradesIn(world, id), []);
});

test("the cluster switches once every member has a newer program, at the same place everywhere", () => {
  const world = start(IDS);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  upgrade(world, "c");
  upgrade(world, "b");
  world.run(3000);
  for (const id of IDS) assert.is(versionAt(world, id), 1);
  request(world, "a", session, 2);
  upgrade(world, "a");
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2));
  const at = primary(world);
  request(world, at, session, 3);
  world.run(300);
  assert.equal(text(replies(world, at).at(-1)?.body ?? new Uint8Array()), "2:4");
  for (const id of IDS) assert.equal(commandsAt(world, id), ["c1", "c2", "v2", "c3"], id);
  const hashes = IDS.map((id) => world.node(id).core.state.hash);
  assert.is(new Set(hashes).size, 1);
});

test("no entry is stamped while a member's promise is not durable", () => {
  const world = start(IDS);
  upgrade(world, "c");
  upgrade(world, "b");
  world.drop = (from, _to, message) => message.type === "readied" && from === "c";
  upgrade(world, "a");
  world.run(3000);
  for (const id of IDS) assert.equal(upgradesIn(world, id), [], id);
  world.drop = () => false;
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2));
});

test("a program that was taken back before all could switch changes nothing", () => {
  const world = start(IDS);
  upgrade(world, "b");
  upgrade(world, "b", OLD);
  upgrade(world, "c");
  upgrade(world, "a");
  world.run(3000);
  for (const id of IDS) assert.is(versionAt(world, id), 1);
});

test("a late answer to a node that once asked for a first view takes no promise back", () => {
  const world = start(IDS);
  upgrade(world, "c");
  upgrade(world, "b");
  world.drop = (_from, _to, { type }) => type === "readied";
  upgrade(world, "a");
  const promised = (): number | undefined => world.node("c").disk.machines?.promised[0]?.version;
  world.until("c has promised", () => promised() === 2, 5000);
  const vid = world.node("c").core.view?.vid ?? 0;
  world.drop = (_from, to, { type }) => to === "c" && type === "decided";
  const from = IDS.find((id) => id !== "c" && id !== primary(world)) ?? "";
  world.step(primary(world), { type: "stop" });
  world.until("a newer view", () => (world.node(from).core.view?.vid ?? 0) > vid);
  const { clusterId = "", origin = [], view } = world.node(from).core.config;
  assert.is(world.node("c").core.view?.vid, vid);
  if (view === undefined) throw new Error("no view");
  world.step("c", {
    type: "message",
    from: world.node(from).member,
    message: { type: "genesis", clusterId, origin, view },
  });
  world.run(50);
  assert.is(world.node("c").core.view?.vid, view.vid);
  assert.is(promised(), 2);
});

test("a member's program must run what the cluster began with, also while its log is empty", () => {
  const world = start(IDS, {}, { a: BOTH, b: OLD, c: OLD });
  assert.is(world.node("b").core.log.end, 0);
  for (const id of ["b", "c"]) {
    world.kill(id);
    world.programs.set(id, [2]);
    const error = refusalOf(() => world.restart(id));
    assert.is(error.code, "WrongMachine");
    assert.match(error.message, /begins with "tally" version 1, this program can run "tally" version 2/);
    world.programs.set(id, BOTH);
    world.restart(id);
  }
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2), 5000);
});

test("whoever said fresh with a newer program than it comes back with takes nothing of that cluster", () => {
  const programs = { a: BOTH, b: BOTH, c: BOTH };
  const world = new World(IDS, {}, undefined, programs);
  world.drop = (_from, to, { type }) => to === "b" && type === "genesis";
  world.until("the others found it", () => world.members("a") === "abc" && world.members("c") === "abc");
  world.kill("b");
  world.drop = () => false;
  world.programs.set("b", OLD);
  world.restart("b");
  world.until("b ends", () => !world.node("b").up);
  const { halted, disk } = world.node("b");
  assert.instance(halted, ViewstampError);
  assert.is((halted as ViewstampError).code, "WrongMachine");
  assert.match(halted?.message ?? "", /begins with "tally" version 2, this program can run "tally" version 1/);
  world.run(50);
  assert.equal([disk.view, disk.machines, disk.entries], [undefined, undefined, []]);
  world.programs.set("b", BOTH);
  world.restart("b");
  world.until("all are members", () => world.members("b") === "abc" && IDS.some((id) => world.node(id).core.isTaking));
  assert.is(versionAt(world, "b"), 2);
});

test("after the promise the old program does not start on that data, and says what to do", () => {
  const world = start(IDS);
  upgrade(world, "c");
  upgrade(world, "b");
  world.drop = (_from, _to, message) => message.type === "readied";
  upgrade(world, "a");
  world.until("c has promised", () => (world.node("c").disk.machines?.promised ?? []).length > 0, 5000);
  assert.is(versionAt(world, "c"), 1);
  world.kill("c");
  world.programs.set("c", OLD);
  const error = refusalOf(() => world.restart("c"));
  assert.is(error.code, "WrongMachine");
  assert.match(error.message, /promised .*"tally" version 2, this program can run "tally" version 1: start this node/);
  world.programs.set("c", BOTH);
  world.restart("c");
  world.drop = () => false;
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2), 5000);
});

test("a node that comes back with the old program after the switch is not admitted, and is told why", () => {
  const world = start(IDS);
  upgrade(world, "b");
  loseNode(world, "c", "a", "ab");
  world.kill("a");
  world.programs.set("a", BOTH);
  world.restart("a");
  world.until("a and b switched", () => ["a", "b"].every((id) => versionAt(world, id) === 2), 5000);
  world.restart("c");
  world.run(8000);
  assert.is(world.members("a"), "ab");
  assert.is(world.node("c").halted, undefined);
  const told = world.node("c").happened.find((what) => what.event === "tooOld");
  assert.ok(told?.event === "tooOld" && told.text.includes('the cluster runs "tally" version 2'), JSON.stringify(told));
  assert.equal(upgradesIn(world, "c"), []);
  world.kill("c");
  world.programs.set("c", BOTH);
  world.restart("c");
  world.until("c is back", () => IDS.every((id) => world.members(id) === "abc"), 9000);
  assert.is(versionAt(world, "c"), 2);
});

test("a learner of the old version that is being caught up when the entry is stamped is turned away", () => {
  const world = start(IDS);
  const session = open(world, "a");
  upgrade(world, "b");
  loseNode(world, "c", "a", "ab");
  for (let number = 1; number <= 20; number++) request(world, "a", session, number);
  world.run(100);
  // It joins, and is never nearly level.
  world.drop = (from, to, message) =>
    (to === "c" && message.type === "invoke") || (from === "b" && message.type === "readied");
  world.kill("a");
  world.programs.set("a", BOTH);
  world.restart("a");
  world.until("a is back", () => world.members("a") === "ab" && primary(world) !== "none", 5000);
  const before = world.sent.length;
  world.restart("c");
  const isLocated = (): boolean =>
    world.sent.slice(before).some(({ from, message }) => from === "c" && message.type === "located");
  world.until("c is a learner", isLocated, 5000);
  world.drop = (_from, to, message) => to === "c" && message.type === "invoke";
  world.until("a and b switched", () => ["a", "b"].every((id) => versionAt(world, id) === 2), 5000);
  world.drop = () => false;
  world.run(3000);
  assert.is(world.members("a"), "ab");
  assert.is(world.node("c").halted, undefined);
  assert.equal(upgradesIn(world, "c"), []);
});

test("an upgrade waits while a learner is being admitted, and then for that member's program", () => {
  const world = start(IDS);
  upgrade(world, "b");
  loseNode(world, "c", "a", "ab");
  // The admission of c, whose program is old, hangs in its last step.
  world.drop = (_from, _to, message) => message.type === "leveled" || message.type === "readied";
  world.kill("a");
  world.programs.set("a", BOTH);
  world.restart("a");
  world.until("a is back", () => world.members("a") === "ab" && primary(world) !== "none", 5000);
  world.restart("c");
  world.until("c is nearly level", () => world.sent.some(({ message }) => message.type === "level"), 5000);
  world.drop = (_from, _to, message) => message.type === "readied";
  world.until("c is a member", () => IDS.every((id) => world.members(id) === "abc"), 9000);
  world.drop = () => false;
  world.run(3000);
  for (const id of IDS) assert.is(versionAt(world, id), 1, id);
  for (const id of IDS) assert.is(world.node(id).halted, undefined);
});

test("the primary dies between its entry and the commit: the next one's log decides, and all follow it", () => {
  for (const arrives of [false, true]) {
    const world = start(IDS);
    upgrade(world, "c");
    upgrade(world, "b");
    world.drop = (_from, _to, message) =>
      message.type === "invoke" && message.entries.some((one) => one.kind === "upgrade");
    replace(world, "a");
    const stamper = (): string | undefined => IDS.find((id) => upgradesIn(world, id).length > 0);
    world.until("it is stamped", () => stamper() !== undefined, 5000);
    const at = stamper() as string;
    const next = IDS.find((id) => id !== at) as string;
    if (arrives) {
      world.drop = (_from, to, message) => to !== next && message.type === "invoke";
      world.until("it is on another disk", () => upgradesIn(world, next).length > 0, 5000);
    }
    world.kill(at);
    world.drop = () => false;
    world.until("the others switch", () => IDS.every((id) => id === at || versionAt(world, id) === 2), 9000);
    world.restart(at);
    world.until("all are back", () => IDS.every((id) => world.members(id) === "abc"), 9000);
    world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2), 5000);
    for (const id of IDS) assert.equal(commandsAt(world, id), ["v2"], `${id} ${arrives}`);
  }
});

test("a restart replays each entry with the version it was executed with", () => {
  const world = start(IDS);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  for (const id of ["c", "b", "a"]) upgrade(world, id);
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2));
  const at = primary(world);
  request(world, at, session, 2);
  world.run(300);
  const { hash } = world.node(at).core.state;
  for (const id of IDS) {
    world.kill(id);
    // Without its snapshot it has only the log, from the first entry on.
    if (world.node(id).disk.base.seqno === 0) world.node(id).disk.snapshot = undefined;
  }
  for (const id of IDS) world.restart(id);
  for (const id of IDS) assert.is(versionAt(world, id), 1, id);
  world.until("they serve", () => primary(world) !== "none", 5000);
  world.run(500);
  for (const id of IDS) assert.equal(commandsAt(world, id), ["c1", "v2", "c2"], id);
  for (const id of IDS) assert.is(world.node(id).core.state.hash, hash, id);
});

test("the switch is followed by a snapshot, from which a program without the old version can start", () => {
  const world = start(IDS);
  const session = open(world, "a");
  request(world, "a", session, 1);
  for (const id of ["c", "b", "a"]) upgrade(world, id);
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2));
  world.until("all have a snapshot of it", () => IDS.every((id) => world.node(id).disk.snapshot !== undefined));
  for (const id of IDS) upgrade(world, id, [2]);
  world.wipe("c", "c2");
  world.kill("c");
  world.programs.set("c", [2]);
  world.restart("c");
  world.until("a new node of it joins", () => IDS.every((id) => world.members(id) === "abc"), 9000);
  world.run(300);
  assert.equal(commandsAt(world, "c"), ["c1", "v2"]);
  assert.is(world.node("c").halted, undefined);
});

test("a program without the version that the data begins with does not start on it", () => {
  const world = start(IDS);
  open(world, "a");
  world.kill("b");
  world.programs.set("b", [2]);
  const error = refusalOf(() => world.restart("b"));
  assert.is(error.code, "WrongMachine");
  assert.match(error.message, /begins with "tally" version 1, this program can run "tally" version 2/);
});

test("data that does not say in which version it begins is taken to begin with the oldest", () => {
  const world = start(IDS);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  for (const id of IDS) world.kill(id);
  for (const id of IDS) {
    world.node(id).disk.machines = undefined;
    world.programs.set(id, BOTH);
    world.restart(id);
  }
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2), 5000);
  for (const id of IDS) assert.equal(commandsAt(world, id), ["c1", "v2"], id);
});

test("a single node upgrades itself", () => {
  const world = start(["a"]);
  open(world, "a");
  world.kill("a");
  world.programs.set("a", BOTH);
  world.restart("a");
  world.until("it switched", () => versionAt(world, "a") === 2, 5000);
});

test("versions may be jumped over, in one entry", () => {
  const world = start(IDS);
  for (const id of ["c", "b"]) upgrade(world, id, [1, 2, 3]);
  upgrade(world, "a", [1, 3]);
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 3));
  for (const id of IDS) assert.is(upgradesIn(world, id).length, 1);
});

test("a migration that fails leaves the cluster at the old version, and is not tried again and again", () => {
  const world = start(IDS);
  const session = open(world, "a");
  world.broken = 1;
  for (const id of ["c", "b", "a"]) upgrade(world, id);
  world.run(5000);
  const at = primary(world);
  request(world, at, session, 1);
  world.run(300);
  assert.is(text(replies(world, at).at(-1)?.body ?? new Uint8Array()), "1");
  for (const id of IDS) assert.is(versionAt(world, id), 1, id);
  assert.is(upgradesIn(world, at).length, 1);
});

test("a mended migration is tried once every member has it, and not while some would still fail", () => {
  const world = start(IDS);
  world.broken = 1;
  for (const id of ["c", "b", "a"]) upgrade(world, id);
  world.run(5000);
  const failures = upgradesIn(world, primary(world)).length;
  world.broken = Number.POSITIVE_INFINITY;
  for (const id of ["c", "b"]) {
    upgrade(world, id);
    world.run(5000);
    assert.is(versionAt(world, primary(world)), 1);
    assert.is(upgradesIn(world, primary(world)).length, failures, "no new attempt");
  }
  upgrade(world, "a");
  world.until("all switched", () => IDS.every((id) => versionAt(world, id) === 2), 5000);
  for (const id of IDS) assert.is(world.node(id).halted, undefined, id);
});

test("replicas of which only some can migrate notice that they differ", () => {
  const world = start(IDS);
  for (const id of ["c", "b"]) upgrade(world, id);
  world.broken = 1;
  replace(world, "a");
  world.run(5000);
  const halted = IDS.filter((id) => world.node(id).halted !== undefined);
  assert.ok(halted.length > 0);
  for (const id of halted) assert.is((world.node(id).halted as ViewstampError).code, "Diverged");
});

test("status says which version runs and which its program could run", () => {
  const world = start(IDS);
  upgrade(world, "b");
  world.client("b", { type: "askStatus", xid: 9 });
  world.run(10);
  assert.equal(answer(world, "b", "status").status.machines, [{ name: "tally", version: 1, able: [1, 2] }]);
});

test.run();
