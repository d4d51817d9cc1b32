// Writes that were acknowledged, and whether they are all there: each has a key of its own, and sums must be exact.
import type { TestClient } from "../harness/visitors.ts";

const PAGE = 1000;

function prefixOf(round: number): string {
  return `round ${String(round).padStart(6, "0")}/`;
}

export class Acknowledged {
  /** By round: each acknowledged key with its value. */
  readonly #byRound = new Map<number, Map<string, string>>();
  #asked = 0;
  #added = 0;
  #mayHaveAdded = 0;
  count = 0;

  /** A put, and an addition of 1. What is not acknowledged may have happened or not. */
  async write(client: TestClient, round: number): Promise<void> {
    const number = ++this.#asked;
    const key = `${prefixOf(round)}${number}`;
    const value = `value ${number} ${"x".repeat(number % 200)}`;
    try {
      await client.kv.put({ key, value });
      this.#of(round).set(key, value);
      this.count++;
      this.#mayHaveAdded++;
      await client.tally.add({ name: "t", by: 1 });
      this.#added++;
      this.count++;
    } catch {
      // Its outcome is unknown.
    }
  }

  /** Reads everything written since that round. @throws if an acknowledged write is missing; gives how many were read */
  async check(client: TestClient, sinceRound: number): Promise<number> {
    let checked = 0;
    for (const [round, expected] of this.#byRound) {
      if (round < sinceRound) continue;
      const found = await keysOf(client, prefixOf(round));
      for (const [key, value] of expected) {
        if (found.get(key) !== value)
          throw new Error(`${key} was acknowledged as "${value}" and is "${found.get(key)}"`);
        checked++;
      }
    }
    const sum = await client.tally.sum("t");
    if (sum < this.#added || sum > this.#mayHaveAdded)
      throw new Error(`${this.#added} to ${this.#mayHaveAdded} additions were made, and the sum is ${sum}`);
    return checked + this.#added;
  }

  #of(round: number): Map<string, string> {
    let keys = this.#byRound.get(round);
    if (keys === undefined) this.#byRound.set(round, (keys = new Map()));
    return keys;
  }
}

async function keysOf(client: TestClient, prefix: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let after: string | undefined;
  do {
    const page = await client.kv.list({ prefix, after, limit: PAGE });
    for (const { key, value } of page.entries) found.set(key, String(value));
    after = page.next;
  } while (after !== undefined);
  return found;
}
