// `locks`, `elect` and `steal` against a real node.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commands } from "../../src/entry/cli/commands.ts";
import { locksJson, locksTable } from "../../src/entry/cli/locks-report.ts";
import { runProgram } from "../../src/entry/cli/program.ts";
import { type ClusterLocks, connectLocks } from "../../src/entry/locks.ts";
import type { Fact } from "../harness/control.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { recordingTerminal } from "./recording-terminal.ts";
import { cleanUp, saysOnly, serve, start, viewstamp } from "./support.ts";

interface Listed {
  readonly locks: readonly {
    readonly name: string;
    readonly held: readonly { readonly owner: string; readonly token: string; readonly mode: string }[];
    readonly waiting: readonly { readonly owner: string }[];
  }[];
}

const program = suite("viewstamp and locks");

/** Names, then owners of holders and of waiters. */
function inShort({ locks }: Listed): string[] {
  return locks.map(({ name, held, waiting }) =>
    [name, ...held.map(({ owner }) => owner), ":", ...waiting.map(({ owner }) => owner)].join(" "),
  );
}

async function until(locks: ClusterLocks, pending: number): Promise<void> {
  while ((await locks.query()).pending.length !== pending);
}

program("tells whoever waits for a lock, or to be elected, for whom", async () => {
  const [url] = await serve("--memory");
  const ann = await connectLocks({ cluster: [url], owner: "ann", cache: false });
  const held = [await ann.acquire("door"), await ann.acquire("chief")];
  const waits = [
    start("lock", "door", "--cluster", url, "--", "true"),
    start("elect", "chief", "--cluster", url, "--", "true"),
  ];
  for (const [index, name] of ["door", "chief"].entries()) {
    const said = new RegExp(`viewstamp: waits for the lock "${name}": held by ann for \\d+\\.\\ds\n`);
    const told = async (): Promise<void> => {
      while (!said.test(waits[index]!.complaints)) await new Promise((again) => setTimeout(again, 20));
    };
    await within(PROCESS_START_MS, `the wait for ${name} is told`, told());
    await held[index]!.release();
    await within(PROCESS_START_MS, "it runs its command", waits[index]!.exited);
    assert.is(waits[index]!.complaints.match(/waits for/g)?.length, 1, "once");
  }
  await ann.close();
});

program("lists who holds and who waits, and steals", async () => {
  const [url] = await serve("--memory");
  const cluster = ["--cluster", url];
  assert.equal(JSON.parse((await viewstamp("locks", "--json", ...cluster)).out), { event: "locks", locks: [] });
  saysOnly(await viewstamp("steal", "door", ...cluster), 5, /nobody holds "door"/);
  const [ann, bob] = await Promise.all(["ann", "bob"].map((owner) => connectLocks({ cluster: [url], owner })));
  const held = await ann!.acquire("door");
  const window = await ann!.acquire("a window", { mode: "shared" });
  const next = bob!.acquire("door");
  await until(ann!, 1);
  const { out } = await viewstamp("locks", "--json", ...cluster);
  const listed = JSON.parse(out) as Listed;
  assert.equal(inShort(listed), ["a window ann :", "door ann : bob"]);
  assert.is(listed.locks[1]?.held[0]?.token, String(held.token));
  assert.is(listed.locks[0]?.held[0]?.mode, "shared");
  const table = (await viewstamp("locks", "d", ...cluster)).out.split("\n");
  assert.is(table.length, 3, "the other lock does not begin so");
  assert.match(table[1]!, new RegExp(`^door +held +exclusive +\\d+\\.\\ds +${held.token} +1 waiting +\\S+ +ann$`));
  assert.match(table[2]!, /^door +waits 1 +exclusive +\d+\.\ds +- +\S+ +bob$|^door +waits 1 .* bob$/);
  const robbed = JSON.parse((await viewstamp("steal", "a window", "--json", ...cluster)).out);
  assert.equal([robbed.name, robbed.robbed[0].owner, robbed.robbed[0].mode], ["a window", "ann", "shared"]);
  assert.is(robbed.robbed[0].token, String(window.token));
  const stolen = await viewstamp("steal", "door", ...cluster);
  assert.is(stolen.code, 0, stolen.err);
  assert.match(stolen.out, new RegExp(`^door exclusive \\S+ ann \\d+\\.\\ds ${held.token}$`));
  assert.ok((await within(PROCESS_START_MS, "bob has the door", next)).token > held.token);
  await within(
    PROCESS_START_MS,
    "ann hears of it",
    new Promise<void>((heard) => {
      if (held.signal.aborted) heard();
      else held.signal.addEventListener("abort", () => heard());
    }),
  );
  await window.release();
  await Promise.all([ann!.close(), bob!.close()]);
});

program("steals a lock, and takes no semaphore of the same name for one", async () => {
  const [url] = await serve("--memory");
  const ann = await connectLocks({ cluster: [url], owner: "ann" });
  const permit = await ann.semaphore("door", 2).acquire();
  saysOnly(await viewstamp("steal", "door", "--cluster", url), 5, /nobody holds "door"/);
  const held = await ann.acquire("door");
  const { out } = await viewstamp("steal", "door", "--cluster", url);
  assert.match(out, new RegExp(`^door exclusive \\S+ ann \\d+\\.\\ds ${held.token}$`));
  permit.assertHeld();
  await ann.close();
});

program("refuses an interval that nothing is looked at in", async () => {
  const nobody = ["--cluster", "ws://127.0.0.1:1"];
  const idle = await viewstamp("locks", "--interval-ms", "20", ...nobody);
  assert.is(idle.code, 2);
  assert.match(idle.err, "--interval-ms goes with --watch");
  assert.is((await viewstamp("locks", "--watch", "--interval-ms", String(2 ** 31), ...nobody)).code, 2);
});

program("watches until it is interrupted", async () => {
  const [url] = await serve("--memory");
  const watcher = start("locks", "--watch", "--json", "--interval-ms", "20", "--cluster", url);
  const shows = (wanted: string[]): Promise<Fact> =>
    within(
      PROCESS_START_MS,
      `the watcher shows ${wanted}`,
      watcher.waitFor((fact) => String(inShort(fact as unknown as Listed)) === String(wanted), watcher.facts.length),
    );
  await shows([]);
  const ann = await connectLocks({ cluster: [url], owner: "ann" });
  const seen = shows(["door ann :"]);
  const lock = await ann.acquire("door");
  await seen;
  const gone = shows([]);
  await lock.release();
  await gone;
  assert.is(watcher.facts.length, 3, "only changes are shown");
  watcher.signal("SIGINT");
  assert.is((await within(PROCESS_START_MS, "it ends", watcher.exited)).code, 0, watcher.complaints);
  await ann.close();
});

program("draws the ages anew at a terminal, also if nobody comes or goes", async () => {
  const [url] = await serve("--memory");
  const ann = await connectLocks({ cluster: [url], owner: "ann" });
  await ann.acquire("door");
  const { terminal, data, messages } = recordingTerminal();
  const { isTTY } = process.stdout;
  process.stdout.isTTY = true;
  try {
    const watching = runProgram(["locks", "--watch", "--interval-ms", "20", "--cluster", url], commands, terminal);
    const drawn = async (): Promise<void> => {
      while (data.filter((text) => text === "\x1b[H\x1b[2J").length < 3) {
        await new Promise((again) => setTimeout(again, 5));
      }
    };
    await within(PROCESS_START_MS, "it is drawn three times", drawn()).finally(() => process.emit("SIGINT"));
    assert.is(await within(PROCESS_START_MS, "it ends", watching), 0, messages.join());
  } finally {
    process.stdout.isTTY = isTTY;
  }
  await ann.close();
});

program("gives up after --timeout-ms, also when a client that keeps locks does not answer", async () => {
  const [url] = await serve("--memory");
  const holder = start("lock", "door", "--cluster", url, "--", "sh", "-c", `echo '{"event":"held"}'; exec sleep 30`);
  await within(
    PROCESS_START_MS,
    "it holds the lock",
    holder.waitFor(({ event }) => event === "held"),
  );
  holder.signal("SIGSTOP");
  try {
    for (const command of [["locks"], ["steal", "door"]]) {
      const { code, err } = await viewstamp(...command, "--timeout-ms", "500", "--cluster", url);
      assert.is(code, 3, err);
    }
  } finally {
    holder.signal("SIGCONT");
    holder.signal("SIGTERM");
    await within(PROCESS_START_MS, "it ends", holder.exited);
  }
});

program("runs a command while elected, and again after a loss", async () => {
  const [url] = await serve("--memory");
  const script = 'echo "{\\"event\\":\\"$VIEWSTAMP_ELECTION\\",\\"term\\":\\"$VIEWSTAMP_TERM\\"}"; exec sleep 30';
  const elect = ["elect", "chief", "--cluster", url, "--ttl-ms", "1000"];
  const candidate = start(...elect, "--owner", "first", "--", "sh", "-c", script);
  const leads = (since: number): Promise<Fact> =>
    within(
      PROCESS_START_MS,
      "it leads",
      candidate.waitFor(({ event }) => event === "chief", since),
    );
  const first = await leads(0);
  const locks = await connectLocks({ cluster: [url] });
  assert.equal(
    (await locks.query()).held.map(({ name, owner, token }) => [name, owner, String(token)]),
    [["chief", "first", first["term"]]],
  );
  assert.is((await viewstamp("steal", "chief", "--cluster", url)).code, 0);
  const second = await leads(1);
  assert.ok(BigInt(second["term"] as string) > BigInt(first["term"] as string));
  assert.match(
    candidate.complaints,
    /the leadership of "chief" was lost: another request has stolen it; the command was stopped/,
  );

  const waiter = start(...elect, "--", "true");
  await until(locks, 1);
  waiter.signal("SIGTERM");
  assert.is((await within(PROCESS_START_MS, "the waiter ends", waiter.exited)).code, 128 + 15);
  await until(locks, 0);
  candidate.signal("SIGTERM");
  assert.is((await within(PROCESS_START_MS, "the leader ends", candidate.exited)).code, 128 + 15);
  assert.is((await viewstamp(...elect, "--", "sh", "-c", "exit 7")).code, 7, "another can be elected at once");
  const wrong = await viewstamp(...elect, "--", "no-such-command");
  assert.is(wrong.code, 127);
  assert.match(wrong.err, /cannot run no-such-command/);
  await locks.close();
});

program("leaves the line when its terminal is gone", async () => {
  const [url] = await serve("--memory");
  const locks = await connectLocks({ cluster: [url] });
  const held = await locks.acquire("door");
  const how = ["--cluster", url, "--ttl-ms", "60000", "--", "true"];
  const waiters = [start("lock", "door", ...how), start("elect", "door", ...how)];
  await within(PROCESS_START_MS, "both wait", until(locks, 2));
  for (const waiter of waiters) waiter.signal("SIGHUP");
  for (const waiter of waiters) {
    assert.is((await within(PROCESS_START_MS, "a waiter ends", waiter.exited)).code, 128 + 1);
  }
  await within(PROCESS_START_MS, "nobody waits", until(locks, 0));
  await held.release();
  await locks.close();
});

program("a leader's SIGHUP is its command's own, and does not end the candidacy", async () => {
  const [url] = await serve("--memory");
  const script = `say() { echo '{"event":"'$1'"}'; }; trap 'say again' HUP; say leads; while :; do sleep 0.05; done`;
  const candidate = start("elect", "chief", "--cluster", url, "--", "sh", "-c", script);
  const says = (what: string, since: number): Promise<Fact> =>
    within(
      PROCESS_START_MS,
      `it says ${what}`,
      candidate.waitFor(({ event }) => event === what, since),
    );
  await says("leads", 0);
  candidate.signal("SIGHUP");
  await says("again", 1);
  assert.is((await viewstamp("steal", "chief", "--cluster", url)).code, 0);
  await says("leads", 2);
  candidate.signal("SIGTERM");
  await within(PROCESS_START_MS, "it ends", candidate.exited);
});

program("leads for --max-hold-ms, and is elected again", async () => {
  const [url] = await serve("--memory");
  const script = 'echo "{\\"event\\":\\"term\\",\\"term\\":\\"$VIEWSTAMP_TERM\\"}"; exec sleep 30';
  const candidate = start("elect", "chief", "--cluster", url, "--max-hold-ms", "300", "--", "sh", "-c", script);
  const leads = (since: number): Promise<Fact> =>
    within(
      PROCESS_START_MS,
      "it leads",
      candidate.waitFor(({ event }) => event === "term", since),
    );
  const first = await leads(0);
  const second = await leads(1);
  assert.ok(BigInt(second["term"] as string) > BigInt(first["term"] as string));
  assert.match(candidate.complaints, /the leadership of "chief" was lost after --max-hold-ms; the command was stopped/);
  candidate.signal("SIGTERM");
  await within(PROCESS_START_MS, "it ends", candidate.exited);
});

program("shows strange names so that they break no line", () => {
  const info = { mode: "exclusive", clientId: "1.2", owner: "", ageMs: 3_723_000, token: 5n } as const;
  const table = locksTable({
    held: [
      { ...info, name: "a\nb" },
      { ...info, name: "\x1b[2J" },
      { ...info, name: "\x9b2J\u202e", owner: "host 1\n\x1b[2J" },
      { ...info, name: "door", owner: "host 5 1234" },
    ],
    pending: [],
  });
  assert.is(table.length, 5);
  assert.match(table[3]!, /^"\\u\{9b\}2J\\u\{202e\}" .* 1\.2 +"host 1\\n\\u001b\[2J"$/);
  assert.match(table[4]!, /^door .* 1\.2 +host 5 1234$/);
  assert.match(table[1]!, /^"a\\nb" +held +exclusive +1h2m +5 +0 waiting +1\.2$/);
  assert.match(table[2]!, /^"\\u001b\[2J" /);
});

program("shows a semaphore apart from the lock of its name, and a lock that nobody may have yet", () => {
  const info = { clientId: "1.2", owner: "", ageMs: 1000 } as const;
  const snapshot = {
    held: [
      { ...info, name: "x", mode: "exclusive" as const, token: 5n, availableInMs: 2500 },
      { ...info, name: "x", mode: "shared" as const, token: 6n, permits: 4 },
    ],
    pending: [{ ...info, name: "x", mode: "shared" as const, permits: 4 }],
  };
  const table = locksTable(snapshot);
  assert.match(table[1]!, /^x +lost, free in 2\.5s +exclusive +1\.0s +5 +0 waiting/);
  assert.match(table[2]!, /^x +held +permit of 4 +1\.0s +6 +1 waiting/);
  assert.match(table[3]!, /^x +waits 1 +permit of 4/);
  const { locks } = JSON.parse(locksJson(snapshot)) as {
    locks: { permits?: number; held: object[]; waiting: object[] }[];
  };
  assert.equal(
    locks.map(({ permits, held, waiting }) => [permits, held.length, waiting.length]),
    [
      [undefined, 1, 0],
      [4, 1, 1],
    ],
  );
});

program.after(cleanUp);

program.run();
