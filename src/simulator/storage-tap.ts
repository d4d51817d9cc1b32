/**
 * A storage that tells the ledger what it is given and what it calls durable; it changes nothing.
 * @module
 */
import type { Done, SnapshotWriter, Storage } from "../protocol/storage.ts";
import type { NodeId, Viewstamp } from "../protocol/view.ts";
import { Digest } from "./ledger/chain.ts";
import type { Ledger } from "./ledger/ledger.ts";
import type { Life } from "./process.ts";

export function observed(storage: Storage, ledger: Ledger, id: NodeId, life: Life): Storage {
  return {
    open: (done) =>
      storage.open((error, state) => {
        if (life.alive && state !== undefined) ledger.recovered(id, state);
        done(error, state);
      }),
    write: (records, done) => {
      if (!life.alive) return;
      const { story } = life.host.world;
      const kinds = story.told ? records.map(({ kind }) => kind).join(", ") : "";
      if (story.told) story.tell(id, `writes ${kinds}`);
      ledger.written(id, records);
      storage.write(records, (error) => {
        if (story.told) story.tell(id, error === undefined ? `wrote ${kinds}` : `could not write: ${error.message}`);
        if (life.alive && error === undefined) ledger.durable(id);
        done(error);
      });
    },
    writeSnapshot: (at) => observedWriter(storage.writeSnapshot(at), at, ledger, id, life),
    readSnapshotChunk: (at, index, done) => storage.readSnapshotChunk(at, index, done),
    setAside: (reason, clusterId, done) => {
      if (life.alive) ledger.setAside(id, reason);
      storage.setAside(reason, clusterId, done);
    },
    close: (done) => storage.close(done),
  };
}

function observedWriter(writer: SnapshotWriter, at: Viewstamp, ledger: Ledger, id: NodeId, life: Life): SnapshotWriter {
  let chunks = 0;
  const digest = new Digest();
  return {
    write: (chunk, done) => {
      chunks++;
      digest.add(chunk);
      writer.write(chunk, done);
    },
    commit: (done: Done) => {
      const snapshot = { at, chunks };
      if (life.alive) ledger.snapshotBegun(id, snapshot, digest.value);
      writer.commit((error) => {
        if (life.alive && error === undefined) ledger.snapshotDurable(id, snapshot);
        done(error);
      });
    },
    abort: () => writer.abort(),
  };
}
