// Fences: whoever comes with an old token changes nothing.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fence } from "../../src/locks/fence.ts";
import { type FenceSqlOptions, fenceSql, type SqlFence } from "../../src/locks/fence-sql.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { codeOf } from "./support.ts";

function refusal(act: () => void): string {
  try {
    act();
    return "none";
  } catch (error) {
    return codeOf(error);
  }
}

test("a fence lets in the same and greater tokens, never smaller ones, key by key", () => {
  const guard = fence();
  guard.check("a", 5n);
  guard.check("a", { token: 5n });
  guard.check("a", { token: 9n, mode: "exclusive" });
  guard.check("b", 1n);
  assert.not(guard.allows("a", 8n));
  assert.ok(guard.allows("a", 9n));
  try {
    guard.check("a", 8n);
    assert.unreachable("let in");
  } catch (error) {
    assert.instance(error, ViewstampError);
    const { code, data } = error as ViewstampError;
    assert.equal([code, data], ["Fenced", { key: "a", token: 8n, greatest: 9n }]);
  }
  guard.check("a", 9n);
});

test("asking whether a token is allowed remembers nothing", () => {
  const guard = fence();
  assert.ok(guard.allows("a", 9n));
  guard.check("a", 5n);
});

test("shared holders stand beside each other, and end with the next exclusive one", () => {
  const guard = fence();
  const shared = (token: bigint) => ({ token, mode: "shared" }) as const;
  guard.check("a", shared(20n));
  guard.check("a", shared(10n));
  assert.is(
    refusal(() => guard.check("a", 15n)),
    "Fenced",
    "20 was granted after 15 had ended",
  );
  guard.check("a", 30n);
  assert.is(
    refusal(() => guard.check("a", shared(20n))),
    "Fenced",
  );
  guard.check("a", shared(40n));
  assert.is(
    refusal(() => guard.check("a", 30n)),
    "Fenced",
  );
});

test("a fence goes on from the marks of another one, and forgets on request only", () => {
  const first = fence();
  first.check("a", 7n);
  first.check("a", { token: 9n, mode: "shared" });
  assert.equal(first.marks(), [{ key: "a", exclusive: 7n, shared: 9n }]);
  const second = fence(first.marks());
  assert.equal(second.marks(), first.marks());
  assert.is(
    refusal(() => second.check("a", 8n)),
    "Fenced",
  );
  second.forget("a");
  second.check("a", 1n);
});

test("a fence begins with the marks of several, whichever of them comes first", () => {
  const marks = [
    [
      { key: "a", exclusive: 7n, shared: 9n },
      { key: "a", exclusive: 5n, shared: 0n },
    ],
    [
      { key: "a", exclusive: 0n, shared: 9n },
      { key: "a", exclusive: 7n, shared: 3n },
    ],
  ];
  for (const given of marks) {
    for (const all of [given, given.toReversed()]) {
      assert.equal(fence(all).marks(), [{ key: "a", exclusive: 7n, shared: 9n }]);
    }
  }
});

test("what is no token is refused and changes nothing", () => {
  const guard = fence();
  for (const wrong of [0n, -1n, 2n ** 63n, 5, "5", null, undefined, {}, { token: 5 }, { token: 5n, mode: "mine" }]) {
    assert.is(
      refusal(() => guard.check("a", wrong as never)),
      "InvalidInput",
      String(wrong),
    );
    assert.is(
      refusal(() => void fenceSql(wrong as never)),
      "InvalidInput",
      String(wrong),
    );
  }
  assert.equal(guard.marks(), []);
  assert.throws(() => guard.check("a", 5 as never), /not 5$/);
});

function pieces({ set, where, setValues, whereValues, named }: SqlFence): unknown[] {
  return [set, where, setValues, whereValues, named];
}

test("the pieces of an UPDATE come in the style of each driver, with the token as a parameter", () => {
  const expected: [FenceSqlOptions, unknown[]][] = [
    [{}, ["fence = $1", "COALESCE(fence, 0) <= $1", [5n], [], {}]],
    [{ at: 3, column: "t.f" }, ["t.f = $3", "COALESCE(t.f, 0) <= $3", [5n], [], {}]],
    [{ style: "?1", at: 2 }, ["fence = ?2", "COALESCE(fence, 0) <= ?2", [5n], [], {}]],
    [{ style: "?" }, ["fence = ?", "COALESCE(fence, 0) <= ?", [5n], [5n], {}]],
    [{ style: "@name" }, ["fence = @fence", "COALESCE(fence, 0) <= @fence", [5n], [], { fence: 5n }]],
    [{ style: ":name", parameter: "t" }, ["fence = :t", "COALESCE(fence, 0) <= :t", [5n], [], { t: 5n }]],
    [{ style: "$name" }, ["fence = $fence", "COALESCE(fence, 0) <= $fence", [5n], [], { fence: 5n }]],
  ];
  for (const [options, wanted] of expected) assert.equal(pieces(fenceSql(5n, options)), wanted);
});

test("shared writers have a column of their own", () => {
  const columns = { style: "?", sharedColumn: "readers" } as const;
  assert.equal(pieces(fenceSql(5n, columns)), [
    "fence = ?",
    "(COALESCE(fence, 0) <= ? AND COALESCE(readers, 0) <= ?)",
    [5n],
    [5n, 5n],
    {},
  ]);
  assert.equal(pieces(fenceSql({ token: 5n, mode: "shared" }, columns)), [
    "readers = CASE WHEN COALESCE(readers, 0) > ? THEN readers ELSE ? END",
    "COALESCE(fence, 0) <= ?",
    [5n, 5n],
    [5n],
    {},
  ]);
  assert.is(
    refusal(() => void fenceSql({ token: 5n, mode: "shared" })),
    "InvalidOptions",
  );
});

test("what is no number of changed rows is not taken for a row that was written", () => {
  const fenced = fenceSql(5n);
  for (const changed of [1, 2n, "3" as never]) fenced.check(changed);
  for (const changed of [0, 0n, null])
    assert.is(
      refusal(() => fenced.check(changed)),
      "Fenced",
    );
  for (const changed of [undefined, Number.NaN, -1, {}])
    assert.is(
      refusal(() => fenced.check(changed as never)),
      "InvalidInput",
    );
});

test("no text of the caller's gets into the statement but plain identifiers", () => {
  const wrong: object[] = [
    { column: "fence; DROP TABLE invoice" },
    { column: "a.b.c" },
    { column: "" },
    { sharedColumn: 'x"' },
    { style: ":name", parameter: "a b" },
    { style: "%s" },
    { at: 0 },
    { at: 1.5 },
    { at: "1" },
  ];
  for (const options of wrong)
    assert.is(
      refusal(() => void fenceSql(5n, options)),
      "InvalidOptions",
    );
});

test("an UPDATE that changes no row is fenced", () => {
  const fenced = fenceSql(5n);
  fenced.check(1);
  fenced.check(2n);
  assert.is(
    refusal(() => fenced.check(0)),
    "Fenced",
  );
  assert.is(
    refusal(() => fenced.check(0n)),
    "Fenced",
  );
});

interface Database {
  exec(sql: string): void;
  prepare(sql: string): { run(...values: unknown[]): { changes: number | bigint }; get(): unknown };
}

/** Where the runtime brings a database of its own. */
async function sqlite(): Promise<Database | undefined> {
  const name = "node:sqlite";
  try {
    const { DatabaseSync } = (await import(name)) as { DatabaseSync: new (path: string) => Database };
    return new DatabaseSync(":memory:");
  } catch {
    return undefined;
  }
}

test("in a real table an old writer changes nothing", async () => {
  const db = await sqlite();
  if (db === undefined) return;
  db.exec("CREATE TABLE invoice (id TEXT PRIMARY KEY, total INTEGER, fence INTEGER, readers INTEGER)");
  db.exec("INSERT INTO invoice (id, total) VALUES ('42', 0)");
  const write = (total: number, token: bigint, mode: "exclusive" | "shared", style: "?" | "?1"): string => {
    const fenced = fenceSql({ token, mode }, { style, at: 3, sharedColumn: "readers" });
    const own = style === "?" ? ["?", "?"] : ["?1", "?2"];
    const text = `UPDATE invoice SET total = ${own[0]}, ${fenced.set} WHERE id = ${own[1]} AND ${fenced.where}`;
    const { setValues, whereValues } = fenced;
    const values = style === "?" ? [total, ...setValues, "42", ...whereValues] : [total, "42", ...setValues];
    return refusal(() => fenced.check(db.prepare(text).run(...values).changes));
  };
  for (const style of ["?", "?1"] as const) {
    db.exec("UPDATE invoice SET fence = NULL, readers = NULL");
    assert.is(write(1, 10n, "exclusive", style), "none");
    assert.is(write(2, 10n, "exclusive", style), "none");
    assert.is(write(3, 30n, "shared", style), "none");
    assert.is(write(4, 20n, "shared", style), "none");
    assert.is(write(5, 25n, "exclusive", style), "Fenced");
    assert.is(write(6, 40n, "exclusive", style), "none");
    assert.is(write(7, 30n, "shared", style), "Fenced");
    assert.equal(
      { ...(db.prepare("SELECT total, fence, readers FROM invoice").get() as object) },
      {
        total: 6,
        fence: 40,
        readers: 30,
      },
    );
  }
});

test.run();
