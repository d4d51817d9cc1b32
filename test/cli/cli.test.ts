// The program against real nodes, on the runtime that runs this test. Commands run in this process, nodes in their own.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connectLocks } from "../../src/entry/locks.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { cleanUp, type Ended, folder, freeUrl, saysOnly, serve, start, viewstamp } from "./support.ts";

const program = suite("viewstamp");

program("refuses impossible options before it touches anything", async () => {
  const serve = ["serve", "--id", "a", "--cluster", "a=ws://127.0.0.1:7001"];
  saysOnly(await viewstamp("serve", "--id", "a"), 2, /--cluster is missing/);
  saysOnly(await viewstamp("serve", "--cluster", "a=ws://h:1", "--id", "b", "--memory"), 2, /no node "b"/);
  saysOnly(await viewstamp(...serve), 2, /either --data DIR or --memory/);
  saysOnly(await viewstamp(...serve, "--memory", "--data", "x"), 2, /either --data DIR or --memory/);
  saysOnly(await viewstamp(...serve, "--memory", "--suspect-ms", "50"), 2, /suspectMs/);
  saysOnly(await viewstamp(...serve, "--memory", "--listen", "7001"), 2, /an address looks like/);
  saysOnly(await viewstamp("members", "ban", "b", "--cluster", "ws://h:1"), 2, /there are add, remove and lift/);
  saysOnly(await viewstamp("members", "add", "b", "--cluster", "ws://h:1"), 2, /needs the URL/);
  for (const id of ["b c", ""])
    saysOnly(await viewstamp("members", "add", id, "ws://h:2", "--cluster", "ws://h:1"), 2, /an id is 1 to 64 letters/);
  saysOnly(await viewstamp("put", "k", "--cluster", "ws://h:1"), 2, /VALUE is missing/);
  for (const [name, ...wrong] of [
    ["lock", "--max-hold-ms", "0"],
    ["lock", "--max-hold-ms", "1e10"],
    ["lock", "--lock-delay-ms", "60001"],
    ["lock", "--lock-delay-ms=-1"],
    ["lock", "--timeout-ms", "soon"],
    ["lock", "--grace-ms=-1"],
    ["elect", "--max-hold-ms", "0"],
    ["elect", "--lock-delay-ms", "60001"],
    ["elect", "--grace-ms", "long"],
  ] as const) {
    const ended = await viewstamp(name, "door", "--cluster", "ws://127.0.0.1:9", ...wrong, "--", "true");
    saysOnly(ended, 2, new RegExp(`${wrong[0].split("=")[0]} must be a number`));
  }
  const both = ["--shared", "--lock-delay-ms", "5", "--", "true"];
  saysOnly(await viewstamp("lock", "door", "--cluster", "ws://127.0.0.1:9", ...both), 2, /exclude each other/);
});

program("refuses a time limit beyond which timers fire at once", async () => {
  for (const command of [
    ["status"],
    ["locks"],
    ["steal", "x"],
    ["get", "k"],
    ["snapshot", "save", join(folder, "none")],
  ]) {
    const late = await viewstamp(...command, "--cluster", "ws://127.0.0.1:1", "--timeout-ms", String(2 ** 31));
    saysOnly(late, 2, /--timeout-ms must be a number from 1 to 2147483647/);
  }
});

program("says when nobody is there", async () => {
  const nobody = ["--cluster", await freeUrl()];
  const status = await viewstamp("status", ...nobody);
  assert.is(status.code, 3);
  assert.match(status.out, "unreachable");
  assert.match(status.out, /^no node answers\n/);
  saysOnly(await viewstamp("put", "k", "v", ...nobody, "--timeout-ms", "300"), 3, /./);
  saysOnly(await viewstamp("members", "lift", "b", ...nobody, "--timeout-ms", "300"), 3, /./);
});

program(
  "a node that waits for the others of a fresh cluster says for whom, and so does a lock that waits for it",
  async () => {
    const [url, other] = [await freeUrl(), await freeUrl()];
    const node = start("serve", "--id", "a", "--cluster", `a=${url},b=${other}`, "--memory", "--with-parent");
    while (!node.complaints.includes("waits for")) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.match(node.complaints, `a waits for b (${other}): a fresh cluster begins once every node of it runs`);
    const lock = await viewstamp("lock", "door", "--cluster", url, "--timeout-ms", "1500", "--", "true");
    saysOnly(lock, 3, /no primary is to be found/);
    const put = await viewstamp("put", "k", "v", "--cluster", url, "--timeout-ms", "1500");
    saysOnly(put, 3, /no primary is to be found/);
    assert.is(put.err.match(/no primary is to be found/g)?.length, 1, "a cause is said once");
  },
);

program("dev runs a whole cluster in one process, until it is told to stop", async () => {
  saysOnly(await viewstamp("dev", "--nodes", "10"), 2, /from 1 to 9, not 10/);
  saysOnly(await viewstamp("dev", "--port", "65534"), 2, /room for 3 ports/);
  const url = await freeUrl();
  const data = join(folder, "dev");
  const port = new URL(url).port;
  const cluster = start("dev", "--nodes", "1", "--port", port, "--data", data, "--json");
  await within(
    PROCESS_START_MS,
    "it takes requests",
    cluster.waitFor(({ event }) => event === "active"),
  );
  assert.is((await viewstamp("put", "k", "v", "--cluster", url)).code, 0);
  assert.ok(readdirSync(join(data, "a")).length > 0);
  saysOnly(await viewstamp("dev", "--nodes", "1", "--port", port), 1, /in use/);
  cluster.signal("SIGTERM");
  assert.is((await within(PROCESS_START_MS, "it stops", cluster.exited)).code, 0, cluster.complaints);
});

program("as a process says what is wrong, with the exit code, and no more", async () => {
  const child = start("serve", "--id", "a", "--colour");
  assert.is((await within(PROCESS_START_MS, "it ends", child.exited)).code, 2);
  assert.match(child.complaints, "viewstamp: unknown option --colour");
  assert.is(child.facts.length, 0);
});

program("serves, puts, gets, tells its status, and stops in good order", async () => {
  const data = join(folder, "data");
  const [url, node] = await serve("--data", data);
  const cluster = ["--cluster", url];
  const put = await viewstamp("put", "color", "green", ...cluster);
  assert.is(put.code, 0, put.err);
  assert.match(put.out, /^\d+$/);
  assert.equal(await viewstamp("get", "color", ...cluster), { code: 0, out: "green", err: "" });
  const asJson = JSON.parse((await viewstamp("get", "color", "--local", "--json", ...cluster)).out);
  assert.equal(asJson, { key: "color", value: "green", version: Number(put.out) });
  saysOnly(await viewstamp("get", "shape", ...cluster), 5, /no key "shape"/);
  const status = JSON.parse((await viewstamp("status", "--json", ...cluster)).out);
  assert.ok(status.serving);
  assert.equal(status.members, ["a"]);
  assert.match((await viewstamp("status", "--cluster", `a=${url}`)).out, /view \d+: members a, primary a, serving/);

  const occupied = await viewstamp("serve", "--id", "a", "--cluster", `a=${url}`, "--memory");
  saysOnly(occupied, 1, /in use|taken/);
  assert.is(occupied.err.split("\n").length, 1, "why it did not start is said once");
  const elsewhere = ["serve", "--id", "a", "--cluster", `a=${await freeUrl()}`];
  saysOnly(await viewstamp(...elsewhere, "--data", data), 1, /in use|running|belongs/);
  const file = join(folder, "file");
  writeFileSync(file, "");
  saysOnly(await viewstamp(...elsewhere, "--data", join(file, "x")), 1, /file/);

  node.signal("SIGTERM");
  assert.is((await within(PROCESS_START_MS, "it stops", node.exited)).code, 0, node.complaints);
  assert.is(node.facts.at(-1)?.event, "stopped");
});

program("runs a command while it holds a lock, and stops it when the lock is lost", async () => {
  const [url, node] = await serve("--memory");
  const written = join(folder, "written");
  const door = (...command: string[]) =>
    viewstamp("lock", "door", "--cluster", url, "--ttl-ms", "1000", "--", ...command);
  const shell = (script: string) => door("sh", "-c", `echo $VIEWSTAMP_LOCK $VIEWSTAMP_TOKEN > ${written}; ${script}`);
  const token = () => BigInt(readFileSync(written, "utf8").trim().split(" ")[1]!);
  assert.is((await shell("exit 7")).code, 7);
  assert.match(readFileSync(written, "utf8"), /^door \d+\n$/);
  const first = token();
  assert.is((await shell("kill -TERM $$")).code, 128 + 15);
  assert.ok(token() > first, "tokens rise");
  saysOnly(await door("no-such-command"), 127, /cannot run no-such-command/);
  // The command itself ends the node, so it is held when the lock is lost.
  const lost = await shell(`kill -KILL ${node.pid}; exec sleep 30`);
  saysOnly(
    lost,
    4,
    /the lock "door" was lost: its session ended, or could not be confirmed in time; the command was stopped/,
  );
});

program("holds several locks for a command, and says all their tokens", async () => {
  const [url] = await serve("--memory");
  const cluster = ["--cluster", url];
  const written = join(folder, "tokens");
  const script = `echo "$VIEWSTAMP_LOCK $VIEWSTAMP_TOKEN $VIEWSTAMP_TOKENS" > ${written}`;
  const locks = await connectLocks({ cluster: [url] });
  const held = await locks.acquire("the window");
  const names = ["door", "the window", "door"];
  const refused = await viewstamp("lock", ...names, "--if-available", ...cluster, "--", "sh", "-c", script);
  saysOnly(refused, 8, /one of the locks "door" … \(3\) is held, or others wait for it/);
  const waiter = viewstamp("lock", ...names, ...cluster, "--", "sh", "-c", script);
  while ((await locks.query()).pending.length !== 2);
  await held.release();
  assert.is((await waiter).code, 0);
  const [name, token, tokens] = readFileSync(written, "utf8")
    .trim()
    .split(/ (.*?) (.*)/s);
  const all = JSON.parse(tokens!) as Record<string, string>;
  assert.equal(Object.keys(all), ["door", "the window"]);
  assert.equal([name, token], ["door", all["door"]]);
  assert.ok(BigInt(all["the window"]!) > held.token);
  assert.equal((await locks.query()).held, []);
  await locks.close();
});

program(
  "does not wait where it shall not, shares what it may, and stops a command that holds for too long",
  async () => {
    const [url] = await serve("--memory");
    const door = (...rest: string[]) => viewstamp("lock", "door", "--cluster", url, "--if-available", ...rest);
    const locks = await connectLocks({ cluster: [url] });
    const lock = await locks.acquire("door", { mode: "shared" });
    saysOnly(await door("--", "true"), 8, /the lock "door" is held, or others wait for it/);
    assert.is((await door("--shared", "--", "sh", "-c", "exit 7")).code, 7);
    await lock.release();
    const late = await door("--max-hold-ms", "200", "--", "sh", "-c", "exec sleep 30");
    saysOnly(late, 4, /the lock "door" was lost after --max-hold-ms; the command was stopped/);
    assert.is((await door("--", "sh", "-c", "exit 7")).code, 7);
    await locks.close();
  },
);

program("keeps a lock away for a while after its holder was killed", async () => {
  const [url] = await serve("--memory");
  const delay = ["--ttl-ms", "1000", "--lock-delay-ms", "60000"];
  await using locks = await connectLocks({ cluster: [url] });
  const killed = start("lock", "door", "--cluster", url, ...delay, "--", "sh", "-c", "kill -KILL $PPID");
  await within(PROCESS_START_MS, "it is killed", killed.exited);
  const whenLost = async (): Promise<number> => {
    for (;;) {
      const [holder] = (await locks.query()).held;
      assert.ok(holder, "nobody else can have it");
      if (holder.availableInMs !== undefined) return holder.availableInMs;
    }
  };
  // While a busy machine gives a node no time its clock stands still, and so do its clients' sessions.
  assert.ok((await within(2 * PROCESS_START_MS, "its session is lost", whenLost())) > 50_000);
});

program("lets the next one in when a signal ends the wait for a lock", async () => {
  const [url] = await serve("--memory");
  const door = (...rest: string[]) => ["lock", "door", "--cluster", url, ...rest];
  const script = 'echo \'{"event":"held"}\'; exec sleep 30';
  const holder = start(...door("--", "sh", "-c", script));
  await within(
    PROCESS_START_MS,
    "the door is held",
    holder.waitFor(({ event }) => event === "held"),
  );
  saysOnly(await viewstamp(...door("--timeout-ms", "200", "--", "true")), 3, /door/);
  const waiter = start(...door("--", "true"));
  const locks = await connectLocks({ cluster: [url] });
  const stands = async () => (await locks.query()).pending.some(({ owner }) => owner.endsWith(` ${waiter.pid}`));
  while (!(await stands()));
  waiter.signal("SIGTERM");
  assert.is((await within(PROCESS_START_MS, "it gives up", waiter.exited)).code, 128 + 15);
  assert.equal((await locks.query()).pending, []);
  await locks.close();
  holder.signal("SIGTERM");
  assert.is((await within(PROCESS_START_MS, "the command ends", holder.exited)).code, 128 + 15);
  assert.is((await viewstamp(...door("--", "true"))).code, 0);
});

function saysOnlyBeside({ code, out, err }: Ended, expected: string, text: RegExp): void {
  assert.equal([code, out], [0, expected], err);
  assert.match(err, text);
}

program("changes the membership", async () => {
  const [url, node] = await serve("--memory");
  const cluster = ["--cluster", url];
  saysOnlyBeside(await viewstamp("members", "lift", "z", ...cluster), "view 1", /z was not barred/);
  assert.equal(JSON.parse((await viewstamp("members", "lift", "z", "--json", ...cluster)).out), { vid: 1 });
  const added = await freeUrl();
  assert.equal(await viewstamp("members", "add", "b", added, ...cluster), { code: 0, out: "view 2", err: "" });
  start("serve", "--id", "b", "--cluster", `a=${url}`, "--listen", added, "--memory", "--json", "--with-parent");
  await within(
    PROCESS_START_MS,
    "b is a member",
    node.waitFor(({ vid, event }) => event === "active" && vid === 3),
  );
  const status = await viewstamp("status", ...cluster);
  assert.match(status.out, /view 3: members a b, primary a, serving/);
  assert.match(status.out, new RegExp(`b +backup .*${added}`), "status finds nodes that were not named");
});

program.after(cleanUp);

program.run();
