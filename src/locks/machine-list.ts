/**
 * Who holds and who waits, page by page: a reply is bounded, the number of locks is not.
 * @module
 */
import { type Bar, isThief, type LockTable, type Tenure, type Waiter } from "./machine-state.ts";
import type { ListCursor, Listed, ListPage } from "./machine-words.ts";

/** A page holds requests worth about this many bytes on the wire. */
const PAGE_BYTES = 96 * 1024;
const BYTES_PER_REQUEST = 128;

export function listPage(table: LockTable, from: ListCursor, now: number): ListPage {
  const requests: Listed[] = [];
  let room = PAGE_BYTES;
  for (const [name, { holders, queue, barred }] of table.from(from.name)) {
    // By what each uses the lock for, not by when its client came to keep it.
    const uses = [...holders].sort((a, b) => a.since - b.since);
    // Who does not wait for the lock is not shown as waiting, though for a moment it stands in line.
    const line = queue.slice().filter((waiter) => !waiter.probes && !isThief(waiter));
    const all: readonly (Bar | Tenure | Waiter)[] = [...(barred === undefined ? uses : [barred]), ...line];
    for (let index = name === from.name ? from.index : 0; index < all.length; index++) {
      if (room <= 0) return { requests, next: { name, index } };
      const listed = listedOf(name, all[index]!, now);
      requests.push(listed);
      room -= BYTES_PER_REQUEST + 3 * (name.length + listed.owner.length);
    }
  }
  return { requests };
}

function listedOf(name: string, request: Bar | Tenure | Waiter, now: number): Listed {
  const { session, owner, since } = request;
  const base = { name, session, owner, ageMs: Math.max(0, now - since) };
  if ("until" in request) {
    const availableInMs = Math.max(0, request.until - now);
    return { ...base, mode: "exclusive", token: request.token, availableInMs };
  }
  const { mode, permits } = request;
  const asked = { ...base, mode, ...(permits > 0 && { permits }) };
  if (!("token" in request)) return asked;
  return { ...asked, token: request.token, ...(request.keep > 0 && { kept: request.xid }) };
}
