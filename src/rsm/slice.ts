/**
 * How much one step does at most, so that much to do is no long pause: few entries or reads, for the hands know the time
 * and may ask for more within the turn.
 * @module
 */

/** What one step executes or answers at most, beside the number of entries or reads. */
const SLICE_BYTES = 128 * 1024;

export class Slice {
  readonly #most: number;
  #count = 0;
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get isFull(): boolean {
    return this.#count >= this.#most || this.#bytes >= SLICE_BYTES;
  }

  add(bytes: number): void {
    this.#count++;
    this.#bytes += bytes;
  }
}
