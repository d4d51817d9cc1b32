// Replication under load: the lock tester runs all the while (scenarios 8 to 16).
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Trap } from "../harness/control.ts";
import { eitherWay } from "../harness/scenario.ts";
import { underLoad } from "./load.ts";
import { diesBeforeItsOk, reachesOnly } from "./moments.ts";

const three = { nodes: 3 };
const five = { nodes: 5 };

function oneOf<Value>(...values: Value[]): Value {
  return values[Math.floor(Math.random() * values.length)]!;
}

eitherWay("8: nothing happens", three, async (cluster, visitors) => {
  await underLoad(visitors, async (load) => {
    await load.goesOn();
  });
  await cluster.view("p0", "p1", "p2");
});

eitherWay("9: a backup is killed at a random moment", three, async (cluster, visitors) => {
  const victim = oneOf("p1", "p2");
  await underLoad(visitors, async (load) => {
    await load.randomMoment();
    await cluster.kill(victim);
    await cluster.view(...cluster.ids.filter((id) => id !== victim));
    await load.goesOn();
  });
});

eitherWay("10: a backup is killed at a random moment and restarted", three, async (cluster, visitors) => {
  const victim = oneOf("p1", "p2");
  await underLoad(visitors, async (load) => {
    await load.randomMoment();
    await cluster.kill(victim);
    await cluster.view(...cluster.ids.filter((id) => id !== victim));
    await load.goesOn();
    await cluster.restart(victim);
    await cluster.view("p0", "p1", "p2");
    await load.goesOn();
  });
});

eitherWay("11: the primary is killed at a random moment", three, async (cluster, visitors) => {
  await underLoad(visitors, async (load) => {
    await load.randomMoment();
    await cluster.kill("p0");
    assert.is((await cluster.view("p1", "p2")).primary, "p1");
    await load.goesOn();
  });
});

eitherWay(
  "12: the primary dies after exactly one backup has the entry, and restarts",
  three,
  async (cluster, visitors) => {
    await underLoad(visitors, async (load) => {
      await load.randomMoment();
      await cluster.trap("p0", reachesOnly("p1", "p2"));
      await cluster.died("p0", "only p1 has the entry");
      assert.is((await cluster.view("p1", "p2")).primary, "p1");
      await load.goesOn();
      await cluster.restart("p0");
      await cluster.view("p0", "p1", "p2");
      await load.goesOn();
    });
  },
);

eitherWay("13: a backup dies after it has the entry, before its OK, and restarts", three, async (cluster, visitors) => {
  await underLoad(visitors, async (load) => {
    await load.randomMoment();
    await cluster.trap("p2", diesBeforeItsOk);
    await cluster.died("p2", "before its OK");
    await cluster.view("p0", "p1");
    await load.goesOn();
    await cluster.restart("p2");
    await cluster.view("p0", "p1", "p2");
    await load.goesOn();
  });
});

const diesOnLearning: Trap = {
  name: "learns the view without p4",
  at: "happened",
  event: "view",
  members: ["p0", "p1", "p2", "p3"],
  actions: [{ do: "kill" }],
};

eitherWay("14: a second backup dies on learning the view, before it is active", five, async (cluster, visitors) => {
  await underLoad(visitors, async (load) => {
    await load.randomMoment();
    await cluster.trap("p3", diesOnLearning);
    await cluster.trap("p4", diesBeforeItsOk);
    await cluster.died("p4", "before its OK");
    await cluster.died("p3", diesOnLearning.name);
    await cluster.view("p0", "p1", "p2");
    await load.goesOn();
  });
});

eitherWay("15: the primary dies on learning the view, before it is active", five, async (cluster, visitors) => {
  await underLoad(visitors, async (load) => {
    await load.randomMoment();
    await cluster.trap("p0", diesOnLearning);
    await cluster.trap("p4", diesBeforeItsOk);
    await cluster.died("p4", "before its OK");
    await cluster.died("p0", diesOnLearning.name);
    assert.is((await cluster.view("p1", "p2", "p3")).primary, "p1");
    await load.goesOn();
  });
});

const cutOffAfterFirst: Trap = {
  name: "the first backup has the entry",
  at: "sent",
  message: "invoke",
  withEntries: true,
  actions: [{ do: "cut", peer: "all", direction: "both" }],
};

eitherWay(
  "16: the primary is cut off after the first backup has the entry, and healed later",
  three,
  async (cluster, visitors) => {
    await underLoad(visitors, async (load) => {
      await load.randomMoment();
      await cluster.trap("p0", cutOffAfterFirst);
      await cluster.node("p0").trapped(cutOffAfterFirst.name);
      assert.is((await cluster.view("p1", "p2")).primary, "p1");
      await load.goesOn();
      await cluster.node("p0").heal("all");
      await cluster.view("p0", "p1", "p2");
      await load.goesOn();
    });
  },
);

test.run();
