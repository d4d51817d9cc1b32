/**
 * The layout of what nodes say to each other.
 * @module
 */
import * as v from "valibot";
import { badMessage } from "./bytes.ts";
import {
  mustFollow,
  readEntries,
  readRuns,
  readViewstamp,
  writeEntries,
  writeRuns,
  writeViewstamp,
} from "./log-codec.ts";
import type { Invoke, Located, PeerMessage, SnapshotChunk } from "./messages.ts";
import { readValue, writeValue } from "./values.ts";
import { type CodecTable, checked, type MessageCodec } from "./wire-frame.ts";
import {
  able,
  accepted,
  ballot,
  clusterId,
  count,
  flag,
  parse,
  positive,
  type Schema,
  url,
  versions,
  view,
  viewstamp,
} from "./wire-schemas.ts";

const invoke: MessageCodec<Invoke> = {
  code: 1,
  write(writer, { vid, start, commit, previous, entries }) {
    writer.varuint(vid);
    writer.varuint(start);
    writer.varuint(commit);
    writeViewstamp(writer, previous);
    writeEntries(writer, entries);
  },
  read(reader) {
    const vid = reader.varuint();
    const start = reader.varuint();
    const commit = reader.varuint();
    const previous = readViewstamp(reader);
    const entries = readEntries(reader);
    if (entries[0] !== undefined) mustFollow(previous, entries[0]);
    const newest = entries.at(-1) ?? previous;
    if (newest.vid > vid) throw badMessage(`view ${vid} sends an entry of view ${newest.vid}`);
    return { type: "invoke", vid, start, commit, previous, entries };
  },
};

const located: MessageCodec<Located> = {
  code: 8,
  write(writer, { vid, base, runs, snapshot, able: machines }) {
    writer.varuint(vid);
    writeViewstamp(writer, base);
    writeRuns(writer, base, runs);
    writeValue(writer, machines);
    writer.u8(snapshot === undefined ? 0 : 1);
    if (snapshot === undefined) return;
    writeViewstamp(writer, snapshot.at);
    writer.varuint(snapshot.next);
  },
  read(reader) {
    const vid = reader.varuint();
    const base = readViewstamp(reader);
    const runs = readRuns(reader, base);
    const machines = parse(able, readValue(reader), "located");
    const snapshot = reader.flag() ? { at: readViewstamp(reader), next: reader.varuint() } : undefined;
    return { type: "located", vid, base, runs, snapshot, able: machines };
  },
};

const snapshotChunk: MessageCodec<SnapshotChunk> = {
  code: 7,
  write(writer, { vid, at, index, bytes }) {
    writer.varuint(vid);
    writeViewstamp(writer, at);
    writer.varuint(index);
    writer.block(bytes);
  },
  read: (reader) => ({
    type: "snapshotChunk",
    vid: reader.varuint(),
    at: readViewstamp(reader),
    index: reader.varuint(),
    bytes: reader.block(),
  }),
};

const promise: Schema<Omit<Extract<PeerMessage, { type: "promise" }>, "type">> = v.pipe(
  v.strictObject({ instance: positive, ballot, accepted: v.undefinedable(accepted) }),
  v.check(
    (one) => one.accepted === undefined || one.accepted.value.vid === one.instance,
    "the accepted view is not of this instance",
  ),
);

const accept: Schema<Omit<Extract<PeerMessage, { type: "accept" }>, "type">> = v.pipe(
  v.strictObject({ instance: positive, ballot, value: view }),
  v.check((one) => one.value.vid === one.instance, "the view is not of this instance"),
);

const genesis: Schema<Omit<Extract<PeerMessage, { type: "genesis" }>, "type">> = v.strictObject({
  clusterId,
  origin: versions,
  view,
});

const vidOnly = v.strictObject({ vid: count });
const versioned = v.strictObject({ vid: count, versions });
const placed = v.strictObject({ vid: count, through: viewstamp });

export const peerCodecs: CodecTable<PeerMessage> = {
  invoke,
  invoked: {
    code: 2,
    write(writer, { vid, seqno }) {
      writer.varuint(vid);
      writer.varuint(seqno);
    },
    read: (reader) => ({ type: "invoked", vid: reader.varuint(), seqno: reader.varuint() }),
  },
  heartbeat: {
    code: 3,
    write(writer, { vid, start, commit, applied, hash, active, impaired }) {
      writer.varuint(vid);
      writer.varuint(start);
      writer.varuint(commit);
      writer.varuint(applied);
      writer.varuint(hash);
      writer.u8(active ? 1 : 0);
      writer.u8(impaired ? 1 : 0);
    },
    read: (reader) => ({
      type: "heartbeat",
      vid: reader.varuint(),
      start: reader.varuint(),
      commit: reader.varuint(),
      applied: reader.varuint(),
      hash: reader.varuint(),
      active: reader.flag(),
      impaired: reader.flag(),
    }),
  },
  alive: {
    code: 4,
    write: (writer, { vid }) => writer.varuint(vid),
    read: (reader) => ({ type: "alive", vid: reader.varuint() }),
  },
  confirm: {
    code: 5,
    write(writer, { vid, round }) {
      writer.varuint(vid);
      writer.varuint(round);
    },
    read: (reader) => ({ type: "confirm", vid: reader.varuint(), round: reader.varuint() }),
  },
  confirmed: {
    code: 6,
    write(writer, { vid, round, accepted }) {
      writer.varuint(vid);
      writer.varuint(round);
      writer.u8(accepted ? 1 : 0);
    },
    read: (reader) => ({
      type: "confirmed",
      vid: reader.varuint(),
      round: reader.varuint(),
      accepted: reader.flag(),
    }),
  },
  snapshotChunk,
  located,
  prepare: checked(32, "prepare", v.strictObject({ view, ballot })),
  promise: checked(33, "promise", promise),
  accept: checked(34, "accept", accept),
  accepted: checked(35, "accepted", v.strictObject({ instance: positive, ballot })),
  refused: checked(36, "refused", v.strictObject({ instance: positive, ballot, round: count, sticky: flag })),
  decided: checked(37, "decided", v.strictObject({ view })),
  fetch: checked(38, "fetch", vidOnly),
  fresh: checked(39, "fresh", v.strictObject({ able })),
  genesis: checked(40, "genesis", genesis),
  join: checked(41, "join", v.strictObject({ vid: count, url })),
  joinRefused: checked(
    42,
    "joinRefused",
    v.strictObject({ vid: count, reason: v.picklist(["barred", "unknown", "version"]), running: versions }),
  ),
  leaving: checked(43, "leaving", vidOnly),
  locate: checked(44, "locate", vidOnly),
  level: checked(45, "level", placed),
  leveled: checked(46, "leveled", placed),
  snapshotOffer: checked(47, "snapshotOffer", v.strictObject({ vid: count, at: viewstamp, chunks: count })),
  snapshotWant: checked(48, "snapshotWant", v.strictObject({ vid: count, at: viewstamp, next: count })),
  ready: checked(49, "ready", versioned),
  readied: checked(50, "readied", versioned),
};
