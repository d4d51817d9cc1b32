/**
 * What happened in a run: counted by kind, folded into one hash (the same seed gives the same hash on every runtime), and,
 * when somebody wants to read it, told line by line.
 * @module
 */

export class Story {
  /** Whether lines are kept; making them costs time, so ask first. */
  readonly told: boolean;
  readonly lines: string[] = [];
  readonly #now: () => number;
  readonly #counts: Map<string, number> = new Map();
  #hash = 0x811c9dc5;

  constructor(now: () => number, told: boolean) {
    this.#now = now;
    this.told = told;
  }

  /** One line; `who` did or saw `what`. */
  tell(who: string, what: string): void {
    if (this.told) this.lines.push(`${this.#now().toFixed(3).padStart(12)}  ${who.padEnd(8)} ${what}`);
  }

  /** Counts a fault or a rare path. */
  count(kind: string, by: number = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + by);
  }

  counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Folds a number into the hash; only its low 32 bits count. */
  fold(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0), 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }

  /** Folds in the moment, to the microsecond, and the bytes (a large block by its ends and length). */
  foldBytes(bytes: Uint8Array): void {
    this.fold(Math.floor(this.#now() * 1000));
    this.fold(bytes.length);
    const head = Math.min(bytes.length, 96);
    for (let i = 0; i < head; i++) this.fold(bytes[i] as number);
  }

  /** Eight hex digits. */
  hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }
}
