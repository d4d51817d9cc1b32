/**
 * The one source of chance: xoshiro128** (Blackman and Vigna), seeded by splitmix32. A stream is forked by name, so that
 * one more draw in the network leaves the disks and the workload as they were.
 * @module
 */

/** A seeded stream of random numbers; the same on every engine. */
export class Random {
  readonly #origin: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any safe integer; all its bits count */
  constructor(seed: number) {
    const low = seed >>> 0;
    const high = Math.floor(seed / 0x1_0000_0000) >>> 0;
    const mix = splitmix32(low ^ Math.imul(high, 0x9e3779b1));
    this.#origin = mix();
    this.#a = mix();
    this.#b = mix();
    this.#c = mix();
    this.#d = mix();
  }

  /** A stream of its own, which depends on this stream's seed and the name only, not on what was drawn. */
  fork(name: string): Random {
    return new Random((this.#origin ^ fnv1a(name)) >>> 0);
  }

  /** 32 random bits. */
  bits(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotate(this.#d, 11);
    return result;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.bits() / 0x1_0000_0000;
  }

  /** A whole number from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  /** In [least, most). */
  between(least: number, most: number): number {
    return least + this.fraction() * (most - least);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)] as T;
  }

  /** Picks by weight; weights of zero are never picked unless all are. */
  weighted<T>(list: readonly (readonly [weight: number, item: T])[]): T {
    let left = this.fraction() * list.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, item] of list) {
      left -= weight;
      if (left < 0) return item;
    }
    return (list[list.length - 1] as readonly [number, T])[1];
  }

  shuffle<T>(list: readonly T[]): T[] {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.integer(0, i);
      const held = copy[i] as T;
      copy[i] = copy[j] as T;
      copy[j] = held;
    }
    return copy;
  }

  /** 16 lower-case hex digits. */
  hexId(): string {
    return this.bits().toString(16).padStart(8, "0") + this.bits().toString(16).padStart(8, "0");
  }
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
