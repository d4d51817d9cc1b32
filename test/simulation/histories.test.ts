// The checker agrees with the verdicts of recorded histories, and sees planted errors.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { HistoryEntry, RegisterOp } from "../../src/simulator/checkers/history.ts";
import { checkRegister, checkRegisters } from "../../src/simulator/checkers/linearizability.ts";

type Entry = HistoryEntry<RegisterOp>;

interface Line {
  readonly client: number;
  readonly op: "get" | "put" | "append" | "cas";
  readonly key: string;
  readonly input: { readonly value?: string | null; readonly from?: string | null; readonly to?: string | null };
  readonly output: { readonly value?: string | null; readonly ok?: boolean } | null;
  readonly call_ns: number;
  readonly return_ns: number | null;
}

const folder = "/work/shared/histories";

function entryOf(line: Line): Entry {
  return { client: line.client, call: line.call_ns, end: line.return_ns ?? undefined, op: opOf(line) };
}

function opOf({ op, input, output }: Line): RegisterOp {
  switch (op) {
    case "get":
      return { type: "get", value: output?.value ?? null };
    case "put":
      return { type: "put", value: input.value ?? null };
    case "append":
      return { type: "append", value: input.value ?? "" };
    case "cas":
      return { type: "cas", from: input.from ?? null, to: input.to ?? null, done: output?.ok ?? true };
  }
}

function read(name: string): Map<string, Entry[]> {
  const byKey = new Map<string, Entry[]>();
  for (const text of readFileSync(`${folder}/${name}.jsonl`, "utf8").split("\n")) {
    if (text === "") continue;
    const line = JSON.parse(text) as Line;
    const list = byKey.get(line.key) ?? [];
    list.push(entryOf(line));
    byKey.set(line.key, list);
  }
  return byKey;
}

const recorded = suite("recorded histories");

if (existsSync(folder)) {
  const expected = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8")) as Record<string, boolean>;
  for (const [name, linearizable] of Object.entries(expected)) {
    recorded(`${name} is ${linearizable ? "" : "not "}linearizable`, () => {
      const result = checkRegisters(read(name), { absentIsEmpty: name.startsWith("kv-") });
      assert.is(result.verdict, linearizable ? "linearizable" : "violated");
    });
  }
  recorded("all have a verdict", () => {
    const files = readdirSync(folder).filter((file) => file.endsWith(".jsonl"));
    assert.is(files.length, Object.keys(expected).length);
  });
}

recorded.run();

const checker = suite("the linearizability checker");

function op(call: number, end: number | undefined, register: RegisterOp): Entry {
  return { client: 1, call, end, op: register };
}

const put = (value: string): RegisterOp => ({ type: "put", value });
const get = (value: string | null): RegisterOp => ({ type: "get", value });

checker("lets a read see either of two writes under way", () => {
  const writes = [op(0, 10, put("a")), op(0, 10, put("b"))];
  for (const value of ["a", "b"]) assert.is(checkRegister([...writes, op(11, 12, get(value))]), "linearizable");
  assert.is(checkRegister([...writes, op(11, 12, get(null))]), "violated");
});

checker("sees a stale read", () => {
  assert.is(checkRegister([op(0, 1, put("a")), op(2, 3, put("b")), op(4, 5, get("a"))]), "violated");
});

checker("sees values that go back", () => {
  const history = [op(0, 1, put("a")), op(2, 20, put("b")), op(3, 4, get("b")), op(5, 6, get("a"))];
  assert.is(checkRegister(history), "violated");
});

checker("lets a write without an answer happen late, or never", () => {
  const lost = op(0, undefined, put("a"));
  assert.is(checkRegister([lost, op(5, 6, get(null))]), "linearizable");
  assert.is(checkRegister([lost, op(5, 6, get(null)), op(7, 8, get("a"))]), "linearizable");
  assert.is(checkRegister([lost, op(5, 6, get("a")), op(7, 8, get(null))]), "violated");
});

checker("takes a failed compare-and-set as an observation", () => {
  const failed = op(2, 3, { type: "cas", from: "a", to: "b", done: false });
  assert.is(checkRegister([op(0, 1, put("a")), failed]), "violated");
  assert.is(checkRegister([op(0, 1, put("c")), failed]), "linearizable");
});

checker("says unknown when its limit ends the search", () => {
  const history = Array.from({ length: 12 }, (_, i) => op(0, 100, put(`${i}`)));
  assert.is(checkRegister([...history, op(101, 102, get("none"))], { steps: 1000 }), "unknown");
  assert.is(
    checkRegisters(new Map([["k", [...history, op(101, 102, get("none"))]]]), { steps: 1000 }).verdict,
    "unknown",
  );
});

checker.run();
