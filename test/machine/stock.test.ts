// The first machine of the documentation, as it stands there.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import { Host } from "./support.ts";

const stock = defineMachine({
  name: "stock",
  version: 1,
  init: () => new Map<string, number>(),
  commands: {
    add: command(v.object({ sku: v.string(), by: v.number() }), (state, { sku, by }, ctx) => {
      const next = (state.get(sku) ?? 0) + by;
      state.set(sku, next);
      void ctx;
      return next;
    }),
  },
  queries: {
    count: query(v.string(), (state, sku) => state.get(sku) ?? 0),
  },
});

test("the stock of the documentation counts bolts", () => {
  const host = new Host(stock);
  assert.is(host.value("stock", "add", { sku: "bolt", by: 3 }), 3);
  assert.is(host.value("stock", "add", { sku: "bolt", by: 4 }), 7);
  assert.is(host.ask("stock", "count", "bolt"), 7);
  assert.is(host.ask("stock", "count", "nut"), 0);
});

test("its handlers can be called without a cluster", () => {
  const state = stock.init();
  assert.is(stock.queries.count(state, "bolt", { now: 0 }), 0);
  assert.is(stock.commands.add.kind, "command");
});

test("its empty state is new for every replica", () => {
  const one = new Host(stock);
  one.value("stock", "add", { sku: "bolt", by: 3 });
  assert.is(new Host(stock).ask("stock", "count", "bolt"), 0);
});

test.run();
