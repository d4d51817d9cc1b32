import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { ORIGIN, type Viewstamp } from "../../src/protocol/view.ts";
import { Log } from "../../src/rsm/log.ts";
import { entriesOf, entryAt } from "./entries.ts";

function logOf(vids: string, base: Viewstamp = ORIGIN): Log {
  return new Log(base, entriesOf(vids, base.seqno));
}

/** `"2.5 | 2x7 3x9"`: the base, then each run's view and last place. */
function shape(log: Log): string {
  const runs = log.runs.map(({ vid, lastSeqno }) => `${vid}x${lastSeqno}`);
  return `${log.base.vid}.${log.base.seqno} | ${runs.join(" ")}`;
}

function isBroken(run: () => void): void {
  assert.throws(run, (error: unknown) => error instanceof ViewstampError);
}

test("entries of one view are one run", () => {
  const log = logOf("1 1 2");
  assert.is(shape(log), "0.0 | 1x2 2x3");
  log.append(entriesOf("2 4", 3));
  assert.is(shape(log), "0.0 | 1x2 2x4 4x5");
  assert.equal(log.last, { vid: 4, seqno: 5 });
});

test("what a run was called is not changed by what is appended later", () => {
  const log = logOf("1 1");
  const { runs } = log;
  log.append(entriesOf("1", 2));
  assert.equal(runs, [{ vid: 1, lastSeqno: 2 }]);
});

test("an entry follows the end, and views never fall", () => {
  isBroken(() => logOf("1 1").append([entryAt(4, 1)]));
  isBroken(() => logOf("1 1").append([entryAt(2, 1)]));
  isBroken(() => logOf("1 2").append([entryAt(3, 1)]));
});

test("dropping the end cuts runs, and what is appended then begins where it was cut", () => {
  const log = logOf("1 1 2 2 2 3");
  log.truncate(4);
  assert.is(shape(log), "0.0 | 1x2 2x4");
  log.truncate(2);
  assert.is(shape(log), "0.0 | 1x2");
  log.append(entriesOf("3", 2));
  assert.is(shape(log), "0.0 | 1x2 3x3");
  log.truncate(0);
  assert.is(shape(log), "0.0 | ");
  assert.equal(log.last, ORIGIN);
});

test("dropping beyond the end changes nothing, and what a snapshot covers is never dropped", () => {
  const log = logOf("2 2", { vid: 1, seqno: 5 });
  log.truncate(9);
  assert.is(shape(log), "1.5 | 2x7");
  isBroken(() => log.truncate(4));
  log.truncate(5);
  assert.equal(log.last, { vid: 1, seqno: 5 });
});

test("a log that holds the place begins after it", () => {
  const log = logOf("1 1 2 2 3");
  log.startAfter({ vid: 2, seqno: 3 });
  assert.is(shape(log), "2.3 | 2x4 3x5");
  log.startAfter({ vid: 3, seqno: 5 });
  assert.is(shape(log), "3.5 | ");
  log.append(entriesOf("3", 5));
  assert.is(shape(log), "3.5 | 3x6");
});

test("a log that does not hold the place is dropped", () => {
  for (const at of [
    { vid: 3, seqno: 9 },
    { vid: 3, seqno: 2 },
  ]) {
    const log = logOf("1 1 1");
    log.startAfter(at);
    assert.is(shape(log), `${at.vid}.${at.seqno} | `);
    assert.is(log.end, at.seqno);
  }
});

test("a log knows its base, and nothing before it or beyond its end", () => {
  const log = logOf("2 3", { vid: 1, seqno: 5 });
  assert.equal(
    [4, 5, 6, 7, 8].map((seqno) => log.vidAt(seqno)),
    [undefined, 1, 2, 3, undefined],
  );
  assert.ok(log.contains({ vid: 1, seqno: 5 }));
  assert.not(log.contains({ vid: 2, seqno: 5 }));
  isBroken(() => log.entry(5));
  isBroken(() => log.viewstampAt(8));
});

test("a slice ends at about so many bytes, but is never empty before the end", () => {
  const log = new Log(ORIGIN, [entryAt(1, 1, 10), entryAt(2, 1, 1000), entryAt(3, 1, 10)]);
  const places = (seqno: number, bytes: number): number[] => log.slice(seqno, bytes).map((entry) => entry.seqno);
  assert.equal(places(1, 200), [1]);
  assert.equal(places(2, 200), [2]);
  assert.equal(places(1, 5000), [1, 2, 3]);
  assert.equal(places(4, 5000), []);
});

test("logs that differ in views have in common what both stamped before", () => {
  const common = (own: string, other: string): Viewstamp | undefined => {
    const { base, runs } = logOf(other);
    return logOf(own).lastCommon(base, runs);
  };
  assert.equal(common("1 1 2", "1 1 2"), { vid: 2, seqno: 3 });
  assert.equal(common("1 1 3", "1 1 2 2"), { vid: 1, seqno: 2 });
  assert.equal(common("1 1 1 3", "1 1 2 2"), { vid: 1, seqno: 2 });
  assert.equal(common("1 1 2 2 2", "1 1 2"), { vid: 2, seqno: 3 });
  assert.equal(common("2", "1"), ORIGIN);
  assert.equal(common("", "1 1"), ORIGIN);
});

test("logs that a snapshot keeps apart have nothing in common", () => {
  const early = logOf("1 1");
  const late = logOf("3", { vid: 2, seqno: 8 });
  assert.is(late.lastCommon(early.base, early.runs), undefined);
  assert.is(early.lastCommon(late.base, late.runs), undefined);
});

test("a snapshot's place is common if the other log holds it", () => {
  const whole = logOf("1 1 2 2");
  const cut = logOf("2", { vid: 2, seqno: 3 });
  assert.equal(whole.lastCommon(cut.base, cut.runs), { vid: 2, seqno: 4 });
  assert.equal(cut.lastCommon(whole.base, whole.runs), { vid: 2, seqno: 4 });
  const bare = logOf("", { vid: 1, seqno: 2 });
  assert.equal(bare.lastCommon(whole.base, whole.runs), { vid: 1, seqno: 2 });
  assert.equal(whole.lastCommon(bare.base, bare.runs), { vid: 1, seqno: 2 });
});

type Act =
  | { readonly act: "append"; readonly later: number; readonly count: number }
  | { readonly act: "truncate"; readonly back: number }
  | { readonly act: "startAfter"; readonly on: number; readonly vid: number };

const anyAct: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ act: fc.constant("append"), later: fc.nat(2), count: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("truncate"), back: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("startAfter"), on: fc.nat(8), vid: fc.nat(1) }) },
);

/** A log as a plain list of what is at each place. */
class NaiveLog {
  base: Viewstamp = ORIGIN;
  vids: number[] = [];

  get end(): number {
    return this.base.seqno + this.vids.length;
  }

  get lastVid(): number {
    return this.vids.at(-1) ?? this.base.vid;
  }

  vidAt(seqno: number): number | undefined {
    return seqno === this.base.seqno ? this.base.vid : this.vids[seqno - this.base.seqno - 1];
  }

  startAfter(at: Viewstamp): void {
    this.vids = this.vidAt(at.seqno) === at.vid ? this.vids.slice(at.seqno - this.base.seqno) : [];
    this.base = at;
  }

  get shape(): string {
    const runs: string[] = [];
    this.vids.forEach((vid, index) => {
      if (this.vids[index + 1] !== vid) runs.push(`${vid}x${this.base.seqno + index + 1}`);
    });
    return `${this.base.vid}.${this.base.seqno} | ${runs.join(" ")}`;
  }
}

function perform(act: Act, log: Log, naive: NaiveLog): void {
  if (act.act === "append") {
    const vid = Math.max(naive.lastVid, 1) + act.later;
    log.append(Array.from({ length: act.count }, (_, index) => entryAt(naive.end + index + 1, vid, index)));
    naive.vids.push(...new Array<number>(act.count).fill(vid));
  } else if (act.act === "truncate") {
    const seqno = Math.max(naive.base.seqno, naive.end - act.back);
    log.truncate(seqno);
    naive.vids.splice(seqno - naive.base.seqno);
  } else {
    const seqno = naive.base.seqno + act.on;
    const at = { seqno, vid: (naive.vidAt(seqno) ?? naive.lastVid) + act.vid };
    log.startAfter(at);
    naive.startAfter(at);
  }
}

test("a log that does not follow its base is none", () => {
  const entries = entriesOf("1 1 2", 5);
  for (const wrong of [entries.slice(1), entries.filter((_, index) => index !== 1)])
    isBroken(() => new Log({ vid: 1, seqno: 5 }, wrong));
  assert.is(shape(new Log({ vid: 1, seqno: 5 }, entries)), "1.5 | 1x7 2x8");
});

test("a long log is not looked at entry by entry when it is made", () => {
  let looks = 0;
  const entries = Array.from({ length: 20_000 }, (_, index) => {
    const entry = { seqno: index + 1 };
    Object.defineProperty(entry, "vid", {
      get: () => {
        looks++;
        return index < 7000 ? 1 : 3;
      },
    });
    return entry as ReturnType<typeof entryAt>;
  });
  const log = new Log(ORIGIN, entries);
  assert.is(shape(log), "0.0 | 1x7000 3x20000");
  assert.ok(looks < 100, `${looks} looks`);
});

test("whatever is done to it, a log is what a plain list would be", () => {
  fc.assert(
    fc.property(fc.array(anyAct, { maxLength: 25 }), (acts) => {
      const log = new Log(ORIGIN, []);
      const naive = new NaiveLog();
      for (const act of acts) {
        perform(act, log, naive);
        assert.is(shape(log), naive.shape);
        assert.is(shape(realLog(naive)), naive.shape, "made of its entries at once");
        assert.equal(log.last, { vid: naive.lastVid, seqno: naive.end });
        for (let seqno = naive.base.seqno; seqno <= naive.end + 1; seqno++) {
          assert.is(log.vidAt(seqno), naive.vidAt(seqno));
        }
      }
    }),
    { numRuns: 300 },
  );
});

/**
 * Histories as views make them: each view begins with a part of an older one's log and stamps from there; what a node
 * holds is the beginning of one of them, maybe after a snapshot.
 */
const anyTwoLogs: fc.Arbitrary<readonly [NaiveLog, NaiveLog]> = fc
  .record({
    views: fc.array(fc.record({ from: fc.nat(), keeps: fc.nat(), stamps: fc.nat(4) }), { minLength: 1, maxLength: 6 }),
    held: fc.tuple(
      fc.record({ of: fc.nat(), ends: fc.nat(), base: fc.nat() }),
      fc.record({ of: fc.nat(), ends: fc.nat(), base: fc.nat() }),
    ),
  })
  .map(({ views, held }) => {
    const histories: number[][] = [[]];
    views.forEach(({ from, keeps, stamps }, index) => {
      const parent = histories[from % histories.length] as number[];
      const kept = parent.slice(0, keeps % (parent.length + 1));
      histories.push([...kept, ...new Array<number>(stamps).fill(index + 1)]);
    });
    const [one, two] = held.map(({ of, ends, base }) => {
      const history = histories[of % histories.length] as number[];
      const naive = new NaiveLog();
      naive.vids = history.slice(0, ends % (history.length + 1));
      const seqno = base % (naive.vids.length + 1);
      naive.startAfter({ vid: naive.vidAt(seqno) ?? 0, seqno });
      return naive;
    });
    return [one, two] as [NaiveLog, NaiveLog];
  });

function realLog({ base, vids }: NaiveLog): Log {
  return new Log(base, entriesOf(vids.join(" "), base.seqno));
}

function naiveCommon(one: NaiveLog, two: NaiveLog): Viewstamp | undefined {
  for (let seqno = Math.min(one.end, two.end); seqno >= Math.max(one.base.seqno, two.base.seqno); seqno--) {
    const vid = one.vidAt(seqno);
    if (vid !== undefined && vid === two.vidAt(seqno)) return { vid, seqno };
  }
  return undefined;
}

test("the last common place of two logs is the one found by looking at every place", () => {
  fc.assert(
    fc.property(anyTwoLogs, ([one, two]) => {
      const { base, runs } = realLog(two);
      assert.equal(realLog(one).lastCommon(base, runs), naiveCommon(one, two));
    }),
    { numRuns: 3000 },
  );
});

test.run();
