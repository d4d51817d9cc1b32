/** Promises around the callbacks of a storage, for tests. */
import type { DurableState, SnapshotWriter, Storage, StorageRecord } from "../../src/protocol/storage.ts";
import type { ClusterId, Viewstamp } from "../../src/protocol/view.ts";
import { chunkOf, type Happening } from "./model.ts";

function promised(run: (done: (error: Error | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let isInside = true;
    run((error) => {
      if (isInside) reject(new Error("called back from inside the call"));
      else if (error === undefined) resolve();
      else reject(error);
    });
    isInside = false;
  });
}

export async function open(storage: Storage): Promise<DurableState> {
  let opened: DurableState | undefined;
  await promised((done) =>
    storage.open((error, state) => {
      opened = state;
      done(error);
    }),
  );
  return opened!;
}

export function write(storage: Storage, ...records: StorageRecord[]): Promise<void> {
  return promised((done) => storage.write(records, done));
}

export function close(storage: Storage): Promise<void> {
  return promised((done) => storage.close(done));
}

export function setAside(storage: Storage, reason: string, clusterId: ClusterId | undefined): Promise<void> {
  return promised((done) => storage.setAside(reason, clusterId, done));
}

export function writeChunk(writer: SnapshotWriter, chunk: Uint8Array): Promise<void> {
  return promised((done) => writer.write(chunk, done));
}

export function commit(writer: SnapshotWriter): Promise<void> {
  return promised((done) => writer.commit(done));
}

export async function save(storage: Storage, at: Viewstamp, chunks: number): Promise<void> {
  const writer = storage.writeSnapshot(at);
  for (let index = 0; index < chunks; index++) await writeChunk(writer, chunkOf(at, index));
  await commit(writer);
}

export async function readChunk(storage: Storage, at: Viewstamp, index: number): Promise<Uint8Array> {
  let read: Uint8Array | undefined;
  await promised((done) =>
    storage.readSnapshotChunk(at, index, (error, chunk) => {
      read = chunk;
      done(error);
    }),
  );
  return read!;
}

/** Does one thing after the other. */
export async function perform(storage: Storage, happenings: readonly Happening[]): Promise<void> {
  for (const what of happenings) {
    if (what.kind === "saved") await save(storage, what.at, what.chunks);
    else await write(storage, what);
  }
}

/** The code of the error that it rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return "none";
}
