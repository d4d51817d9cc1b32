// A scenario: a cluster of its own, a story, and a clean end whatever happens in between.
import { test } from "uvu";
import type { CacheOptions } from "../../src/locks/client-options.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { Visitors } from "./visitors.ts";
import { within } from "./within.ts";

const usualLimitMs = 60_000;

/** `VIEWSTAMP_SCENARIO=24` runs only those whose titles begin so. */
const chosen = process.env["VIEWSTAMP_SCENARIO"] ?? "";

/** Whether lock clients keep locks after use: `VIEWSTAMP_CACHE=both`, `on` or `off` decides for all scenarios. */
const caching = process.env["VIEWSTAMP_CACHE"];

type Story = (cluster: Cluster, visitors: Visitors) => Promise<void>;

/** The cluster is up and in its first view when the story begins. */
export function scenario(
  title: string,
  options: ClusterOptions,
  story: Story,
  limitMs: number = usualLimitMs,
  cache: CacheOptions | false = {},
): void {
  if (!title.startsWith(chosen)) return;
  test(title, async () => {
    const startedAt = performance.now();
    const cluster = await Cluster.make(options);
    const visitors = new Visitors(cluster.urls, cache);
    try {
      await cluster.start();
      await within(limitMs, title, story(cluster, visitors));
    } catch (error) {
      console.log(`\n${title}\n${cluster.story()}\n`);
      throw asError(error);
    } finally {
      await visitors.leave();
      await cluster.dispose();
    }
    if (process.env["VIEWSTAMP_VERBOSE"] !== undefined)
      console.log(`\n${title}: ${Math.round(performance.now() - startedAt)} ms`);
  });
}

/** A scenario with locks, twice: caching changes speed, nothing else. */
export function eitherWay(title: string, options: ClusterOptions, story: Story, limitMs?: number): void {
  play(caching === "on" || caching === "off" ? [caching] : ["off", "on"], title, options, story, limitMs);
}

/** One that takes long, and is about locks only among other things: once, this way or that as chance will have it. */
export function oneWay(title: string, options: ClusterOptions, story: Story, limitMs?: number): void {
  if (caching === "both") return eitherWay(title, options, story, limitMs);
  const drawn = Math.random() < 0.5 ? "off" : "on";
  play([caching === "on" || caching === "off" ? caching : drawn], title, options, story, limitMs);
}

function play(ways: readonly string[], title: string, options: ClusterOptions, story: Story, limitMs?: number): void {
  for (const way of ways) scenario(`${title} (cache ${way})`, options, story, limitMs, way === "on" ? {} : false);
}

/** uvu drops the rest of a suite when something that is no Error is thrown. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
