// The options of `simulate`: what is refused at the door.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine } from "../../src/machine/define.ts";
import { kv } from "../../src/machine/kv.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { simulate } from "../../src/simulator/simulate.ts";

const counter = defineMachine({
  name: "counter",
  version: 1,
  init: () => ({ count: 0 }),
  commands: { add: command(v.number(), (state, by) => (state.count += by)) },
});

test("bad options are refused at the door", async () => {
  const options = { machine: counter, workload: () => {} };
  const refused: readonly (readonly [object | null, string])[] = [
    [null, "are an object"],
    [{ ...options, seed: 1 }, 'no option "seed"'],
    [{ workload: () => {} }, "either machine or machines"],
    [{ ...options, machines: [kv] }, "either machine or machines"],
    [{ ...options, machine: {} }, "made by defineMachine"],
    [{ ...options, machine: [counter] }, "machine is one machine"],
    [{ machines: counter, workload: () => {} }, "machines is a list"],
    [{ machines: [], workload: () => {} }, "at least one machine"],
    [{ machine: counter }, "workload is what a client does"],
    [{ ...options, check: true }, "check is a function"],
    [{ ...options, seeds: 0 }, "seeds must be a whole number"],
    [{ ...options, firstSeed: -1 }, "firstSeed must be a whole number"],
    [{ ...options, nodes: 8 }, "nodes must be a whole number from 1 to 7"],
    [{ ...options, clients: 1.5 }, "clients must be a whole number"],
    [{ ...options, rounds: "9" }, "rounds must be a whole number"],
    [{ ...options, faults: ["rain"] }, 'there is no fault "rain"; there are: kill'],
    [{ ...options, faults: "kill" }, "faults is a list"],
  ];
  for (const [given, text] of refused) {
    try {
      await simulate(given as never);
      assert.unreachable(text);
    } catch (error) {
      assert.instance(error, ViewstampError, text);
      assert.is((error as ViewstampError).code, "InvalidOptions");
      assert.match((error as Error).message, text);
    }
  }
});

test.run();
