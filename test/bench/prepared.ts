// Data as a node would have it after a long log, made without running a cluster for it.
import { encodeCall } from "../../src/protocol/calls.ts";
import type { Entry } from "../../src/protocol/entry.ts";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import type { StorageRecord } from "../../src/protocol/storage.ts";
import { encodeValue } from "../../src/protocol/values.ts";
import { type Member, ORIGIN, type View } from "../../src/protocol/view.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { close, open, write } from "../storage/drive.ts";

export type StateName = "kv" | "locks";

/** Open through all that is done with these data. */
const TTL_MS = 600_000;
const LOCKS_PER_SESSION = 10_000;
/** About what a held lock takes, owner and name included. */
const LOCK_BYTES = 256;
const AT_ONCE = 5_000;

/** So many sessions, then commands of theirs, a command's number after the other. */
function* entries(sessions: number, count: number, perSession: number, bodyOf: (index: number) => Uint8Array) {
  let seqno = 0;
  const next = (kind: Entry["kind"], session: number, number: number, body: Uint8Array): Entry =>
    makeEntry({
      kind,
      vid: 1,
      seqno: ++seqno,
      time: 0,
      session: kind === "open" ? ORIGIN : { vid: 1, seqno: session + 1 },
      number,
      acknowledgedThrough: Math.max(0, number - 1),
      body,
    });
  for (let index = 0; index < sessions; index++) yield next("open", 0, 0, encodeValue(TTL_MS));
  for (let index = 0; index < count; index++) {
    const session = Math.min(sessions - 1, Math.floor(index / perSession));
    yield next("command", session, index - session * perSession + 1, bodyOf(index));
  }
}

export function putEntries(count: number, valueBytes: number, sessions: number): Generator<Entry> {
  const value = "x".repeat(valueBytes);
  return entries(sessions, count, Number.MAX_SAFE_INTEGER, (index) =>
    encodeCall("kv", "put", { key: `key ${index}`, value }),
  );
}

/** A state of about so many megabytes. */
export function stateEntries(state: StateName, megabytes: number, sessions: number): Generator<Entry> {
  if (state === "kv") return putEntries(megabytes * 256, 4096, sessions);
  const locks = Math.ceil((megabytes * 2 ** 20) / LOCK_BYTES);
  const owner = "o".repeat(LOCK_BYTES / 2);
  const others = { mode: "exclusive", owner, how: "wait", keep: false, ageMs: 0 };
  return entries(Math.max(sessions, Math.ceil(locks / LOCKS_PER_SESSION)), locks, LOCKS_PER_SESSION, (index) =>
    encodeCall("locks", "acquire", { name: `lock/${index}`, xid: index, ...others }),
  );
}

/** Writes the data of `self`, which has this view and this log. */
export async function prepare(directory: string, self: Member, view: View, log: Iterable<Entry>): Promise<void> {
  const storage = fileStorage(directory);
  await open(storage);
  const identity: StorageRecord = { kind: "identity", incarnation: self.incarnation, clusterId: "2".repeat(16) };
  await write(storage, identity, { kind: "view", view });
  let batch: Entry[] = [];
  for (const one of log) {
    if (batch.push(one) < AT_ONCE) continue;
    await write(storage, { kind: "append", entries: batch });
    batch = [];
  }
  await write(storage, { kind: "append", entries: batch });
  await close(storage);
}
