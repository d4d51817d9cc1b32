/** Random messages of every type; the tables are typed so that no type can be forgotten. */
import fc from "fast-check";
import type { ClientMessage, ServerMessage } from "../../src/protocol/client-messages.ts";
import type { Entry } from "../../src/protocol/entry.ts";
import { type EntryFields, makeEntry } from "../../src/protocol/entry-codec.ts";
import type { Hello, HelloReply } from "../../src/protocol/hello.ts";
import type { PeerMessage, Run } from "../../src/protocol/messages.ts";
import type { View, Viewstamp } from "../../src/protocol/view.ts";
import { anyString } from "./arbitraries.ts";

type OneOfEach<M extends { readonly type: string }> = {
  readonly [T in M["type"]]: fc.Arbitrary<Omit<Extract<M, { readonly type: T }>, "type">>;
};

function record<T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as unknown as fc.Arbitrary<T>;
}

const count = fc.oneof(fc.nat(200), fc.maxSafeNat());
const positive = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const flag = fc.boolean();
const bytes = fc.uint8Array({ maxLength: 60 });
const text = anyString.map((some) => some.slice(0, 2048));
const id = fc.oneof(fc.constantFrom("a", "b", "c", "d"), fc.string({ minLength: 1, maxLength: 64 }));
const hexId = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 16, maxLength: 16 });
const url = fc.oneof(fc.webUrl(), fc.constant(""));
const viewstamp: fc.Arbitrary<Viewstamp> = record({ vid: count, seqno: count });
const realViewstamp: fc.Arbitrary<Viewstamp> = record({ vid: positive, seqno: positive });
const ballot = record({ round: count, node: id });
const member = record({ id, incarnation: hexId, url });

function byId<T extends { readonly id: string }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const ids = fc.uniqueArray(id, { maxLength: 4 }).map((list) => [...list].sort((a, b) => (a < b ? -1 : 1)));
const nodes = fc.uniqueArray(member, { selector: (one) => one.id, minLength: 1, maxLength: 5 }).map(byId);

function viewOf(vid: fc.Arbitrary<number>): fc.Arbitrary<View> {
  const invited = fc.uniqueArray(record({ id, url }), { selector: (one) => one.id, maxLength: 3 }).map(byId);
  return fc
    .record({ vid, acceptors: nodes, barred: ids, invited, some: fc.nat(31), at: fc.nat() })
    .map(({ acceptors, some, at, ...rest }) => {
      const chosen = acceptors.filter((_, index) => some & (1 << index));
      const members = chosen.length === 0 ? acceptors.slice(0, 1) : chosen;
      return { ...rest, members, acceptors, primary: members[at % members.length]!.id };
    });
}

export const anyView: fc.Arbitrary<View> = viewOf(positive);

const entryRest: fc.Arbitrary<Pick<EntryFields, "kind" | "session" | "number" | "acknowledgedThrough" | "body">> =
  fc.oneof(
    record({
      kind: fc.constantFrom("command" as const, "skip" as const),
      session: realViewstamp,
      number: positive,
      acknowledgedThrough: count,
      body: bytes,
    }),
    record({
      kind: fc.constant("end" as const),
      session: realViewstamp,
      number: fc.constant(0),
      acknowledgedThrough: fc.constant(0),
      body: bytes,
    }),
    record({
      kind: fc.constantFrom("open" as const, "tick" as const),
      session: fc.constant({ vid: 0, seqno: 0 }),
      number: fc.constant(0),
      acknowledgedThrough: fc.constant(0),
      body: bytes,
    }),
  );

export const anyEntry: fc.Arbitrary<Entry> = record({
  rest: entryRest,
  at: realViewstamp,
  time: fc.double({ min: 0, max: 1e15, noNaN: true }),
}).map(({ rest, at, time }) => makeEntry({ ...rest, ...at, time: time + 0 }));

/** Entries that follow `previous`. */
export function entriesAfter(previous: Viewstamp, maxLength = 8): fc.Arbitrary<Entry[]> {
  const step = record({ rest: entryRest, newer: fc.nat(2), later: fc.nat(1000) });
  return fc.array(step, { maxLength }).map((steps) => {
    let { vid, seqno } = previous;
    let time = 0.5;
    return steps.map(({ rest, newer, later }) => {
      vid = Math.max(1, vid + newer);
      seqno += 1;
      time += later;
      return makeEntry({ ...rest, vid, seqno, time });
    });
  });
}

const smallViewstamp = record({ vid: fc.nat(1e6), seqno: fc.nat(1e9) });

const invoke = smallViewstamp.chain((previous) =>
  fc
    .record({ start: count, commit: count, previous: fc.constant(previous), entries: entriesAfter(previous) })
    .map((fields) => ({ vid: (fields.entries.at(-1) ?? previous).vid, ...fields })),
);

const name = fc.string({ minLength: 1 });
const byName = { selector: (one: { readonly name: string }): string => one.name, maxLength: 3 };
const inOrder = <One extends { readonly name: string }>(list: One[]): One[] =>
  list.sort((a, b) => (a.name < b.name ? -1 : 1));
const versions = fc.uniqueArray(record({ name, version: positive }), byName).map(inOrder);
const able = fc
  .uniqueArray(record({ name, versions: fc.array(positive, { minLength: 1, maxLength: 3 }) }), byName)
  .map(inOrder);

const located = record({
  vid: count,
  base: smallViewstamp,
  steps: fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 1e6 })), { maxLength: 6 }),
  snapshot: fc.option(record({ at: viewstamp, next: count }), { nil: undefined }),
  able,
}).map(({ vid, base, steps, snapshot, able }) => {
  let last: Run = { vid: base.vid, lastSeqno: base.seqno };
  const runs = steps.map(([newer, more]) => (last = { vid: last.vid + newer, lastSeqno: last.lastSeqno + more }));
  return { vid, base, runs, snapshot, able };
});

const vidOnly = record({ vid: count });
const accepted = anyView.chain((value) => record({ ballot, value: fc.constant(value) }));

const peerMessages: OneOfEach<PeerMessage> = {
  prepare: record({ view: anyView, ballot }),
  promise: fc
    .record({ instance: positive, ballot, accepted: fc.option(accepted, { nil: undefined }) })
    .map((one) => ({ ...one, instance: one.accepted?.value.vid ?? one.instance })),
  accept: record({ ballot, value: anyView }).map(({ ballot, value }) => ({ instance: value.vid, ballot, value })),
  accepted: record({ instance: positive, ballot }),
  refused: record({ instance: positive, ballot, round: count, sticky: flag }),
  decided: record({ view: anyView }),
  fetch: vidOnly,
  fresh: record({ able }),
  genesis: record({ clusterId: hexId, origin: versions, view: viewOf(fc.constant(1)) }),
  join: record({ vid: count, url }),
  joinRefused: record({
    vid: count,
    reason: fc.constantFrom("barred" as const, "unknown" as const, "version" as const),
    running: versions,
  }),
  leaving: vidOnly,
  ready: record({ vid: count, versions }),
  readied: record({ vid: count, versions }),
  locate: vidOnly,
  located,
  invoke,
  invoked: record({ vid: count, seqno: count }),
  heartbeat: record({
    vid: count,
    start: count,
    commit: count,
    applied: count,
    hash: count,
    active: flag,
    impaired: flag,
  }),
  alive: vidOnly,
  confirm: record({ vid: count, round: count }),
  confirmed: record({ vid: count, round: count, accepted: flag }),
  level: record({ vid: count, through: viewstamp }),
  leveled: record({ vid: count, through: viewstamp }),
  snapshotOffer: record({ vid: count, at: viewstamp, chunks: count }),
  snapshotWant: record({ vid: count, at: viewstamp, next: count }),
  snapshotChunk: record({ vid: count, at: viewstamp, index: count, bytes }),
};

const xidOnly = record({ xid: count });

const clientMessages: OneOfEach<ClientMessage> = {
  request: record({ session: viewstamp, number: positive, acknowledgedThrough: count, skip: flag, body: bytes }),
  open: record({ xid: count, ttlMs: positive }),
  end: record({ xid: count, session: viewstamp }),
  query: record({
    xid: count,
    consistency: fc.constantFrom("linearizable" as const, "local" as const),
    body: bytes,
  }),
  keepAlive: record({ xid: count, session: viewstamp }),
  askStatus: xidOnly,
  copy: record({ xid: count, next: count }),
  change: record({
    xid: count,
    action: fc.constantFrom("add" as const, "remove" as const, "lift" as const),
    id,
    url,
  }),
};

const refusal = {
  code: fc.constantFrom(
    "BUSY" as const,
    "NOTPRIMARY" as const,
    "SESSION_EXPIRED" as const,
    "OVERLOADED" as const,
    "INVALID" as const,
  ),
  outcomeUnknown: flag,
  text,
};

const status = record({
  id,
  incarnation: hexId,
  clusterId: fc.oneof(hexId, fc.constant("")),
  runtime: fc.constant("node 20.20.2"),
  role: fc.constantFrom("primary" as const, "backup" as const, "learner" as const, "none" as const),
  active: flag,
  vid: count,
  primary: fc.oneof(id, fc.constant("")),
  members: nodes,
  acceptors: nodes,
  barred: ids,
  invited: fc.constant([{ id: "x", url: "ws://x" }]),
  viewstamp,
  commit: count,
  applied: count,
  hash: count,
  sessions: count,
  snapshotPauseMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  restorePauseMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  trouble: fc.string({ maxLength: 50 }),
  machines: fc.array(record({ name, version: positive, able: fc.array(positive, { maxLength: 3 }) }), { maxLength: 3 }),
});

const serverMessages: OneOfEach<ServerMessage> = {
  reply: record({ session: viewstamp, number: count, body: bytes }),
  requestRefused: record({ session: viewstamp, number: count, ...refusal }),
  declined: record({ xid: count, ...refusal }),
  opened: record({ xid: count, session: viewstamp, ttlMs: positive }),
  ended: xidOnly,
  answer: record({ xid: count, body: bytes }),
  keptAlive: xidOnly,
  changed: record({ xid: count, vid: count }),
  copied: record({ xid: count, at: viewstamp, index: count, isEnd: flag, body: bytes }),
  news: record({
    vid: count,
    primary: fc.oneof(id, fc.constant("")),
    primaryUrl: url,
    active: flag,
    urls: fc.array(url, { maxLength: 4 }),
  }),
  notice: record({ session: viewstamp, body: bytes }),
  status: record({ xid: count, status }),
};

function anyOf<M extends { readonly type: string }>(table: OneOfEach<M>): fc.Arbitrary<M> {
  const each = Object.entries(table as Readonly<Record<string, fc.Arbitrary<object>>>);
  return fc.oneof(...each.map(([type, fields]) => fields.map((one) => ({ type, ...one }) as unknown as M)));
}

export const anyPeerMessage: fc.Arbitrary<PeerMessage> = anyOf(peerMessages);
export const anyClientMessage: fc.Arbitrary<ClientMessage> = anyOf(clientMessages);
export const anyServerMessage: fc.Arbitrary<ServerMessage> = anyOf(serverMessages);

const machines = fc.array(record({ name, versions: fc.array(positive, { maxLength: 3 }) }), { maxLength: 3 });
const maybeBytes = fc.option(bytes, { nil: undefined });
const maybeCluster = fc.option(hexId, { nil: undefined });
const protocol = fc.constant({ least: 1, newest: 3 });
const limits = { maxBodyBytes: positive, driftPercent: fc.double({ min: 0, max: 10, noNaN: true }) };

export const anyHello: fc.Arbitrary<Hello> = fc.oneof(
  record({
    protocol,
    role: fc.constant("client" as const),
    clusterId: maybeCluster,
    node: fc.constant(undefined),
    machines,
    options: fc.constant(undefined),
    authentication: maybeBytes,
  }),
  record({
    protocol,
    role: fc.constant("peer" as const),
    clusterId: maybeCluster,
    node: member,
    machines,
    options: record({ minCopies: positive, ...limits }),
    authentication: maybeBytes,
  }),
);

export const anyHelloReply: fc.Arbitrary<HelloReply> = fc.oneof(
  record({
    accepted: fc.constant(true as const),
    protocol: positive,
    clusterId: maybeCluster,
    node: record({ id, incarnation: hexId }),
    ...limits,
    authentication: maybeBytes,
  }),
  record({ accepted: fc.constant(false as const), code: fc.constant("WrongCluster" as const), text }),
);
