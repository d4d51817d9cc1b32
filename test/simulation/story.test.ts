// The story of a run, for people: whom each fault befalls, and who says what to whom, clients included.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { REAL_PARTS } from "../../src/simulator/parts.ts";
import { drawPlan } from "../../src/simulator/plan.ts";
import { Random } from "../../src/simulator/random.ts";
import { simulateSeed } from "../../src/simulator/simulation.ts";

/** What is told of a seed in which nothing but this goes wrong, without the moments. */
async function storyOf(...faults: string[]): Promise<string[]> {
  const wishes = { nodes: 3, clients: 2, calls: 30, work: "calls", faults, faultEveryMs: 100 } as const;
  const plan = drawPlan(new Random(1).fork("plan"), wishes);
  const { story, violation } = await simulateSeed(1, plan, REAL_PARTS, true);
  assert.is(violation, undefined);
  return story.map((line) =>
    line
      .trim()
      .replace(/^\S+\s+/, "")
      .replace(/\s+/, " "),
  );
}

test("nodes and clients say things to each other, and what was written is named", async () => {
  const story = await storyOf();
  const expected = [
    /^client\d -> [abc] open \{.*"ttlMs"/,
    /^[abc] -> client\d opened \{/,
    /^client\d -> [abc] request \{/,
    /^[abc] -> client\d reply \{/,
    /^[abc] -> [abc] invoke \{/,
    /^[abc] -> [abc] invoked \{/,
    /^[abc] wrote append/,
  ];
  for (const what of expected)
    assert.ok(
      story.some((line) => what.test(line)),
      `${what}`,
    );
});

const befalls: Readonly<Record<string, readonly RegExp[]>> = {
  partition: [/^\w+ -\/> \w+ is cut$/, /^\w+ -> \w+ is whole again$/],
  "slow link": [/^\w+ -> \w+ is slow$/],
  "reset connections": [/^\w+ -\/- \w+: a connection is reset$/],
  pause: [/^[abc] is paused$/, /^[abc] goes on$/],
  suspend: [/^[abc] sleeps, the whole machine$/],
  "client pauses": [/^client\d (is paused|sleeps)/],
  "hanging disk": [/^[abc] has a disk that hangs/, /^[abc] has a disk that answers again$/],
  "slow disk": [/^[abc] is the one$/],
  "clock drift": [/^\w+ has a clock that runs at \d/],
  "wall clock set": [/^\w+ has its wall clock set by -?\d+ ms$/],
};

for (const [fault, lines] of Object.entries(befalls)) {
  test(`"${fault}" says whom it befalls`, async () => {
    const story = await storyOf(fault);
    assert.ok(story.includes(`-- ${fault}`));
    for (const what of lines)
      assert.ok(
        story.some((line) => what.test(line)),
        `${what}`,
      );
  });
}

test.run();
