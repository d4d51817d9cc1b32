/**
 * How far this node's log is durable. A completed write counts only for entries that have not been dropped since it was
 * issued: after dropping and appending anew an old completion says nothing of the new entries.
 * @module
 */

interface PendingAppend {
  readonly write: number;
  seqno: number;
}

export class Durability {
  #seqno: number;
  #write = 0;
  #truncateWrite = 0;
  #pending: PendingAppend[] = [];

  constructor(seqno: number) {
    this.#seqno = seqno;
  }

  /** The log is durable through this place. */
  get seqno(): number {
    return this.#seqno;
  }

  /** All writes through this number are durable. */
  get write(): number {
    return this.#write;
  }

  /** Whether no drop of entries is still on its way to the disk. */
  get isTruncated(): boolean {
    return this.#write >= this.#truncateWrite;
  }

  appended(write: number, seqno: number): void {
    this.#pending.push({ write, seqno });
  }

  truncated(write: number, seqno: number): void {
    this.#truncateWrite = write;
    this.#seqno = Math.min(this.#seqno, seqno);
    for (const append of this.#pending) append.seqno = Math.min(append.seqno, seqno);
  }

  /** A durable snapshot covers the log through `seqno`; `keepsTail`: entries after it stay in the log. */
  restarted(seqno: number, keepsTail: boolean): void {
    this.#seqno = keepsTail ? Math.max(this.#seqno, seqno) : seqno;
    if (!keepsTail) this.#pending = [];
  }

  durable(write: number): void {
    this.#write = Math.max(this.#write, write);
    let done = 0;
    for (const append of this.#pending) {
      if (append.write > write) break;
      this.#seqno = Math.max(this.#seqno, append.seqno);
      done++;
    }
    if (done > 0) this.#pending.splice(0, done);
  }
}
