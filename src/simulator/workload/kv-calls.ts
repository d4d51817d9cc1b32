/**
 * Calls of the kv machine as a load: each key is a register whose values have versions. A version stands for one value for
 * ever, and no later write of a key has a smaller one.
 * @module
 */
import type { ClientCore } from "../../client/contract.ts";
import type { KvCompared, KvEntry, KvPage, KvVersioned } from "../../machine/kv.ts";
import type { RegisterOp } from "../checkers/history.ts";
import type { Random } from "../random.ts";
import type { Violated } from "./lock-checks.ts";

/** Writes down operations of registers: `begin` gives a number, `close` takes what came out, `failed` an error. */
export interface KvBook {
  begin(client: number, key: string, op: RegisterOp): number;
  close(number: number, op: RegisterOp): void;
  failed(number: number, error: unknown): void;
  /** Nothing was said about it. */
  drop(number: number): void;
}

interface Known {
  /** By version. */
  readonly values: Map<number, string>;
  /** The version last seen by anybody, 0 if there was none. */
  seen: number;
  /** No write that is asked for after this one was answered may have a smaller version. */
  written: number;
}

const PREFIX = "kv";
const KEYS = 6;
const MOST_PAGE = 3;

export class KvCalls {
  readonly #book: KvBook;
  readonly #violated: Violated;
  readonly #known: Map<string, Known> = new Map();
  #values = 0;

  constructor(book: KvBook, violated: Violated) {
    this.#book = book;
    this.#violated = violated;
  }

  static get keys(): string[] {
    return Array.from({ length: KEYS }, (_, index) => `${PREFIX}${index + 1}`);
  }

  async call(client: number, core: ClientCore, random: Random, timeoutMs: number): Promise<void> {
    const key = random.pick(KvCalls.keys);
    const options = { timeoutMs };
    switch (random.integer(0, 5)) {
      case 0:
        return this.#get(client, core, key, options);
      case 1:
        return this.#list(client, core, random.integer(1, MOST_PAGE), options);
      case 2:
        return this.#delete(client, core, key, options);
      case 3:
        return this.#put(client, core, key, options);
      default:
        return this.#compareAndSet(client, core, key, random, options);
    }
  }

  async #get(client: number, core: ClientCore, key: string, options: { timeoutMs: number }): Promise<void> {
    const op = this.#book.begin(client, key, { type: "get", value: null });
    try {
      const found = (await core.ask("kv", "get", key, options)) as KvVersioned | undefined;
      this.#book.close(op, { type: "get", value: this.#sees(key, found) });
    } catch (error) {
      this.#book.failed(op, error);
    }
  }

  /** Pages, each a look at the keys from where the last one ended. */
  async #list(client: number, core: ClientCore, limit: number, options: { timeoutMs: number }): Promise<void> {
    for (let after: string | undefined = PREFIX; after !== undefined; ) {
      const from: string = after;
      const ops = KvCalls.keys
        .filter((key) => key > from)
        .map((key) => [key, this.#book.begin(client, key, { type: "get", value: null })] as const);
      try {
        const page = (await core.ask("kv", "list", { prefix: PREFIX, after: from, limit }, options)) as KvPage;
        this.#checkPage(page, from, limit);
        const found = new Map(page.entries.map((entry): [string, KvEntry] => [entry.key, entry]));
        for (const [key, op] of ops) {
          const isOnIt = page.next === undefined || key <= page.next;
          if (isOnIt) this.#book.close(op, { type: "get", value: this.#sees(key, found.get(key)) });
          else this.#book.drop(op);
        }
        after = page.next;
      } catch (error) {
        for (const [, op] of ops) this.#book.failed(op, error);
        return;
      }
    }
  }

  async #put(client: number, core: ClientCore, key: string, options: { timeoutMs: number }): Promise<void> {
    const value = this.#newValue();
    const { written } = this.#of(key);
    const op = this.#book.begin(client, key, { type: "put", value });
    try {
      const { version } = (await core.execute("kv", "put", { key, value }, options)) as { version: number };
      this.#wrote(key, value, version, written);
      this.#book.close(op, { type: "put", value });
    } catch (error) {
      this.#book.failed(op, error);
    }
  }

  async #delete(client: number, core: ClientCore, key: string, options: { timeoutMs: number }): Promise<void> {
    const op = this.#book.begin(client, key, { type: "put", value: null });
    try {
      const wasThere = (await core.execute("kv", "delete", key, options)) === true;
      this.#book.close(op, { type: "put", value: null, ...(!wasThere && { found: null }) });
    } catch (error) {
      this.#book.failed(op, error);
    }
  }

  async #compareAndSet(
    client: number,
    core: ClientCore,
    key: string,
    random: Random,
    options: { timeoutMs: number },
  ): Promise<void> {
    const { seen: version, values, written } = this.#of(key);
    const from = values.get(version) ?? null;
    const to = random.chance(0.2) ? null : this.#newValue();
    const op = this.#book.begin(client, key, { type: "cas", from, to, done: true });
    try {
      const input = { key, version, ...(to !== null && { value: to }) };
      const { done, version: now } = (await core.execute("kv", "compareAndSet", input, options)) as KvCompared;
      if (done && to !== null) this.#wrote(key, to, now, written);
      if (!done && now === version) this.#violated(8, `${key} has version ${now}, and is said not to have it`);
      this.#book.close(op, { type: "cas", from, to, done });
    } catch (error) {
      this.#book.failed(op, error);
    }
  }

  /** What somebody has read, as the value of a register. */
  #sees(key: string, found: KvVersioned | undefined): string | null {
    const known = this.#of(key);
    known.seen = found?.version ?? 0;
    if (found === undefined) return null;
    const value = String(found.value);
    this.#learn(key, found.version, value);
    return value;
  }

  #wrote(key: string, value: string, version: number, before: number): void {
    const known = this.#of(key);
    if (version <= before) this.#violated(8, `a write of ${key} has version ${version}, and an earlier one ${before}`);
    known.seen = version;
    known.written = Math.max(known.written, version);
    this.#learn(key, version, value);
  }

  #learn(key: string, version: number, value: string): void {
    const { values } = this.#of(key);
    const before = values.get(version);
    if (before !== undefined && before !== value)
      this.#violated(8, `version ${version} of ${key} is ${value}, and was ${before}`);
    values.set(version, value);
  }

  #checkPage({ entries, next }: KvPage, after: string, limit: number): void {
    const keys = entries.map(({ key }) => key);
    const isInOrder = keys.every((key, index) => key.startsWith(PREFIX) && key > (keys[index - 1] ?? after));
    if (!isInOrder || keys.length > limit || (next !== undefined && next !== keys.at(-1)))
      this.#violated(8, `a page of at most ${limit} keys after ${after} is ${keys.join(", ")}, then ${next}`);
  }

  #of(key: string): Known {
    let known = this.#known.get(key);
    if (known === undefined) this.#known.set(key, (known = { values: new Map(), seen: 0, written: 0 }));
    return known;
  }

  #newValue(): string {
    return `kv value ${++this.#values}`;
  }
}
