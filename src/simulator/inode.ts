/**
 * The bytes of one simulated file: those in the page cache, and which of them a loss of power leaves.
 * @module
 */
import type { Random } from "./random.ts";

export class Inode {
  #bytes: Uint8Array = new Uint8Array(256);
  #length = 0;
  #synced = 0;
  /** The synced bytes from before a truncation that is not synced. */
  #before: Uint8Array | undefined;
  #truncations = 0;
  /** An append under way. */
  torn: { readonly at: number; readonly bytes: Uint8Array } | undefined;

  get length(): number {
    return this.#length;
  }

  get syncedLength(): number {
    return Math.min(this.#synced, this.#length);
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(Math.min(offset, this.#length), Math.min(offset + length, this.#length));
  }

  truncate(length: number): void {
    if (length >= this.#length) return;
    if (length < this.#synced) {
      this.#before ??= this.#bytes.slice(0, this.#synced);
      this.#synced = length;
    }
    this.#length = length;
    this.#truncations++;
  }

  /** What a sync that begins now will cover. */
  mark(): { readonly length: number; readonly truncations: number } {
    return { length: this.#length, truncations: this.#truncations };
  }

  synced(through: { readonly length: number; readonly truncations: number }): void {
    // A truncation meanwhile makes it unclear what lies below: only the next sync covers it.
    if (through.truncations !== this.#truncations) return;
    this.#before = undefined;
    this.#synced = Math.max(this.#synced, Math.min(through.length, this.#length));
  }

  flip(at: number, bit: number): void {
    this.#bytes[at] = (this.#bytes[at] as number) ^ (1 << bit);
  }

  /** The process died in an append: any part of its bytes is in the file. */
  tear(random: Random): void {
    const torn = this.torn;
    this.torn = undefined;
    if (torn === undefined || torn.at !== this.#length) return;
    this.append(torn.bytes.subarray(0, random.integer(0, torn.bytes.length)));
  }

  /** The power went: the synced bytes are left, and any part of the others. */
  losePower(random: Random): void {
    if (this.#before !== undefined && random.chance(0.5)) {
      this.#bytes = this.#before;
      this.#length = this.#before.length;
      this.#synced = this.#length;
    }
    this.#before = undefined;
    const lost = this.#length - this.#synced;
    if (lost > 0) this.#loseTail(lost, random);
    this.#synced = this.#length;
  }

  #loseTail(size: number, random: Random): void {
    const cut = this.#synced + random.integer(0, size);
    switch (random.integer(0, 4)) {
      case 0:
        this.#length = this.#synced;
        return;
      case 1:
        return;
      case 2:
        this.#length = cut;
        return;
      case 3:
        this.#bytes.fill(0, cut, this.#length);
        return;
      default:
        // Written in another order: the beginning is missing, the end is there.
        this.#bytes.fill(0, this.#synced, cut);
        return;
    }
  }
}
