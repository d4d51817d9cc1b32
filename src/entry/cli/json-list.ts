/**
 * One JSON object with a long list in it, printed while the list is being found, a line for each item: it need not fit in
 * memory.
 * @module
 */
import type { Terminal } from "./terminal.ts";

export class JsonList {
  readonly #terminal: Terminal;
  readonly #opening: string;
  #hasItems = false;

  /** `before`: what the object holds before its list; nothing is printed yet. */
  constructor(terminal: Terminal, before: object, name: string) {
    this.#terminal = terminal;
    this.#opening = `${JSON.stringify(before).slice(0, -1)},${JSON.stringify(name)}:[`;
  }

  add(item: unknown): void {
    if (!this.#hasItems) this.#terminal.data(this.#opening);
    this.#terminal.data(`${this.#hasItems ? "," : ""}${JSON.stringify(item)}`);
    this.#hasItems = true;
  }

  /** Prints what stands behind the list. */
  end(after: object): void {
    this.#terminal.data(`${this.#hasItems ? "" : this.#opening}],${JSON.stringify(after).slice(1)}`);
  }

  /** Whoever has begun to read a document gets a whole one, also if the rest of it cannot be found. */
  fail(error: unknown): void {
    if (this.#hasItems) this.end({ error: error instanceof Error ? error.message : String(error) });
  }
}
