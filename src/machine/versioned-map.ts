/**
 * A sorted map with snapshots that cost nothing when they are taken and stay as they were while the map changes: the
 * state of machines that must not stop the world.
 *
 * It is a B+ tree with copy-on-write by epochs (as in Rodeh, "B-trees, Shadowing, and Clones", 2008; Go's
 * `google/btree` does the same): a snapshot keeps the root and begins a new epoch; a node of an earlier epoch is copied
 * before it is changed. So a write copies at most the few nodes of its path, each once per snapshot, and a
 * snapshot that is abandoned is only garbage.
 * @module
 */

/** The most keys of a leaf and children of a branch. */
const FULL = 32;

/** A node this small is joined with a neighbour, if both fit into one. */
const SPARSE = FULL / 4;

interface Leaf<Key, Value> {
  readonly kind: "leaf";
  readonly epoch: number;
  readonly keys: Key[];
  readonly values: Value[];
}

/** `bounds[i]` is above every key of `children[i]` and not above any of `children[i + 1]`. */
interface Branch<Key, Value> {
  readonly kind: "branch";
  readonly epoch: number;
  readonly bounds: Key[];
  readonly children: Node<Key, Value>[];
}

type Node<Key, Value> = Leaf<Key, Value> | Branch<Key, Value>;

/** Orders keys: negative, zero or positive as `a` is before, the same as or after `b`. */
export type Compare<Key> = (a: Key, b: Key) => number;

/** Strings by UTF-16 code units, numbers and bigints by size: the same on every engine. */
function byValue<Key>(a: Key, b: Key): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A map in the order of its keys: `get`, `has`, `set`, `delete`, `size`, `clear`, and `entries(from)` in O(log n) each;
 * iteration order depends on the keys alone, so it is the same on a replica that was restored from a snapshot.
 *
 * Values that a snapshot may still read must not be changed in place: `set` a new value instead.
 *
 * @example
 * ```ts
 * const map = new VersionedMap<string, number>();
 * map.set("a", 1);
 * const then = map.snapshot();
 * map.set("b", 2);
 * console.log([...then]); // [["a", 1]]
 * ```
 */
export class VersionedMap<Key, Value> {
  readonly #compare: Compare<Key>;
  #root: Node<Key, Value> = { kind: "leaf", epoch: 0, keys: [], values: [] };
  /** Nodes of this epoch are in no snapshot. */
  #epoch = 0;
  #size = 0;
  /** Counts changes, so that an iteration can see that it has been overtaken. */
  #changes = 0;

  /** An empty map. By default strings are ordered by UTF-16 code units, numbers and bigints by size. */
  constructor(compare: Compare<Key> = byValue) {
    this.#compare = compare;
  }

  /** How many keys there are. */
  get size(): number {
    return this.#size;
  }

  /** The value of a key, `undefined` if it is not there. */
  get(key: Key): Value | undefined {
    const leaf = this.#leafOf(key);
    const index = this.#placeIn(leaf.keys, key);
    return this.#isAt(leaf, index, key) ? leaf.values[index] : undefined;
  }

  /** Whether a key is there. */
  has(key: Key): boolean {
    const leaf = this.#leafOf(key);
    return this.#isAt(leaf, this.#placeIn(leaf.keys, key), key);
  }

  /** Sets the value of a key. */
  set(key: Key, value: Value): this {
    this.#changes++;
    const root = this.#owned(this.#root);
    const right = this.#insert(root, key, value);
    this.#root = right === undefined ? root : this.#branch([right.bound], [root, right.node]);
    return this;
  }

  /** Whether there was something to delete. */
  delete(key: Key): boolean {
    if (!this.has(key)) return false;
    this.#changes++;
    this.#size--;
    let root = this.#owned(this.#root);
    this.#remove(root, key);
    while (root.kind === "branch" && root.children.length === 1) root = root.children[0]!;
    this.#root = root;
    return true;
  }

  /** Deletes every key. */
  clear(): void {
    this.#changes++;
    this.#size = 0;
    this.#root = this.#leaf([], []);
  }

  /**
   * Iterates in order, from the first key that is not before `from` (by default from the start).
   * @throws {Error} from `next` if the map was changed since: take a `snapshot` for that
   */
  *entries(from?: Key): IterableIterator<[Key, Value]> {
    const changes = this.#changes;
    for (const entry of this.#walk(this.#root, from)) {
      if (this.#changes !== changes) throw new Error("the map was changed during an iteration");
      yield entry;
    }
  }

  /** All entries, as `entries` gives them. */
  [Symbol.iterator](): IterableIterator<[Key, Value]> {
    return this.entries();
  }

  /** Iterates, in order, over what is in the map now, whatever happens to the map. Any number may be under way. */
  snapshot(): IterableIterator<[Key, Value]> {
    this.#epoch++;
    return this.#walk(this.#root, undefined);
  }

  *#walk(node: Node<Key, Value>, from: Key | undefined): IterableIterator<[Key, Value]> {
    if (node.kind === "leaf") {
      let index = from === undefined ? 0 : this.#placeIn(node.keys, from);
      for (; index < node.keys.length; index++) yield [node.keys[index]!, node.values[index]!];
      return;
    }
    const first = from === undefined ? 0 : this.#childOf(node, from);
    for (let index = first; index < node.children.length; index++) {
      yield* this.#walk(node.children[index]!, index === first ? from : undefined);
    }
  }

  #leafOf(key: Key): Leaf<Key, Value> {
    let node = this.#root;
    while (node.kind === "branch") node = node.children[this.#childOf(node, key)]!;
    return node;
  }

  /** The index of the first key that is not before `key`. */
  #placeIn(keys: readonly Key[], key: Key): number {
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(keys[middle]!, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The child under which `key` belongs: a key equal to a bound is to the right of it. */
  #childOf(branch: Branch<Key, Value>, key: Key): number {
    const index = this.#placeIn(branch.bounds, key);
    const equal = index < branch.bounds.length && this.#compare(branch.bounds[index]!, key) === 0;
    return equal ? index + 1 : index;
  }

  #isAt(leaf: Leaf<Key, Value>, index: number, key: Key): boolean {
    return index < leaf.keys.length && this.#compare(leaf.keys[index]!, key) === 0;
  }

  #leaf(keys: Key[], values: Value[]): Leaf<Key, Value> {
    return { kind: "leaf", epoch: this.#epoch, keys, values };
  }

  #branch(bounds: Key[], children: Node<Key, Value>[]): Branch<Key, Value> {
    return { kind: "branch", epoch: this.#epoch, bounds, children };
  }

  /** The node itself if no snapshot can have it, else a copy to be put in its place. */
  #owned(node: Node<Key, Value>): Node<Key, Value> {
    if (node.epoch === this.#epoch) return node;
    if (node.kind === "leaf") return this.#leaf(node.keys.slice(), node.values.slice());
    return this.#branch(node.bounds.slice(), node.children.slice());
  }

  #ownedChild(branch: Branch<Key, Value>, index: number): Node<Key, Value> {
    return (branch.children[index] = this.#owned(branch.children[index]!));
  }

  /** Into an owned node; gives what was split off to the right of it. */
  #insert(node: Node<Key, Value>, key: Key, value: Value): { bound: Key; node: Node<Key, Value> } | undefined {
    if (node.kind === "leaf") {
      const index = this.#placeIn(node.keys, key);
      if (this.#isAt(node, index, key)) {
        node.values[index] = value;
        return undefined;
      }
      node.keys.splice(index, 0, key);
      node.values.splice(index, 0, value);
      this.#size++;
      return node.keys.length > FULL ? this.#splitLeaf(node, index) : undefined;
    }
    const index = this.#childOf(node, key);
    const right = this.#insert(this.#ownedChild(node, index), key, value);
    if (right === undefined) return undefined;
    node.bounds.splice(index, 0, right.bound);
    node.children.splice(index + 1, 0, right.node);
    return node.children.length > FULL ? this.#splitBranch(node) : undefined;
  }

  /** Keys that come in ascending order (a restore) leave full leaves behind, not half-full ones. */
  #splitLeaf(leaf: Leaf<Key, Value>, inserted: number): { bound: Key; node: Node<Key, Value> } {
    const at = inserted === leaf.keys.length - 1 ? inserted : leaf.keys.length >>> 1;
    const right = this.#leaf(leaf.keys.splice(at), leaf.values.splice(at));
    return { bound: right.keys[0]!, node: right };
  }

  #splitBranch(branch: Branch<Key, Value>): { bound: Key; node: Node<Key, Value> } {
    const at = branch.children.length >>> 1;
    const right = this.#branch(branch.bounds.splice(at), branch.children.splice(at));
    return { bound: branch.bounds.pop()!, node: right };
  }

  /** Out of an owned node that has the key. */
  #remove(node: Node<Key, Value>, key: Key): void {
    if (node.kind === "leaf") {
      const index = this.#placeIn(node.keys, key);
      node.keys.splice(index, 1);
      node.values.splice(index, 1);
      return;
    }
    const index = this.#childOf(node, key);
    const child = this.#ownedChild(node, index);
    this.#remove(child, key);
    if (sizeOf(child) <= SPARSE) this.#join(node, index === 0 ? 0 : index - 1);
  }

  /** Joins child `index` and the one after it, if there is one and both fit into one node. */
  #join(branch: Branch<Key, Value>, index: number): void {
    const right = branch.children[index + 1];
    if (right === undefined || sizeOf(branch.children[index]!) + sizeOf(right) > FULL) return;
    const left = this.#ownedChild(branch, index);
    if (left.kind === "leaf" && right.kind === "leaf") {
      left.keys.push(...right.keys);
      left.values.push(...right.values);
    } else if (left.kind === "branch" && right.kind === "branch") {
      left.bounds.push(branch.bounds[index]!, ...right.bounds);
      left.children.push(...right.children);
    }
    branch.bounds.splice(index, 1);
    branch.children.splice(index + 1, 1);
  }
}

function sizeOf(node: Node<unknown, unknown>): number {
  return node.kind === "leaf" ? node.keys.length : node.children.length;
}
