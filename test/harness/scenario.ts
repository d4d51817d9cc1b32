// A scenario: a cluster of its own, a story, and a clean end whatever happens in between.
import { test } from "uvu";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { Visitors } from "./visitors.ts";
import { within } from "./within.ts";

const usualLimitMs = 60_000;

/** `VIEWSTAMP_SCENARIO=24` runs only those whose titles begin so. */
const chosen = process.env["VIEWSTAMP_SCENARIO"] ?? "";

/** The cluster is up and in its first view when the story begins. */
export function scenario(
  title: string,
  options: ClusterOptions,
  story: (cluster: Cluster, visitors: Visitors) => Promise<void>,
  limitMs: number = usualLimitMs,
): void {
  if (!title.startsWith(chosen)) return;
  test(title, async () => {
    const startedAt = performance.now();
    const cluster = await Cluster.make(options);
    const visitors = new Visitors(cluster.urls);
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

/** uvu drops the rest of a suite when something that is no Error is thrown. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
