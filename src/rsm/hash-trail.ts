/**
 * The running hash at recent places, so that primary and backup can be compared at the same one.
 * @module
 */

const PLACES = 4096;

export class HashTrail {
  readonly #seqnos: Float64Array = new Float64Array(PLACES);
  readonly #hashes: Float64Array = new Float64Array(PLACES);
  /** The primary's hash at a place not reached here yet. */
  #awaited: { readonly seqno: number; readonly hash: number } | undefined;
  #differs = false;

  note(seqno: number, hash: number): void {
    const index = seqno % PLACES;
    this.#seqnos[index] = seqno;
    this.#hashes[index] = hash;
    if (this.#awaited?.seqno === seqno && this.#awaited.hash !== hash) this.#differs = true;
  }

  /** Whether this replica is known to differ, at this place or at one compared earlier. */
  compare(seqno: number, hash: number): boolean {
    const index = seqno % PLACES;
    if (seqno > 0 && this.#seqnos[index] === seqno) {
      if (this.#hashes[index] !== hash) this.#differs = true;
    } else {
      this.#awaited = { seqno, hash };
    }
    return this.#differs;
  }
}
