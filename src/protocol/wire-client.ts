/**
 * The layout of what clients ask and nodes answer.
 * @module
 */
import * as v from "valibot";
import { badMessage, type Reader } from "./bytes.ts";
import type {
  Change,
  ClientMessage,
  NodeStatus,
  Query,
  RefusalCode,
  Reply,
  Request,
  RequestRefused,
  ServerMessage,
} from "./client-messages.ts";
import { readViewstamp, writeViewstamp } from "./log-codec.ts";
import { type CodecTable, checked, type MessageCodec } from "./wire-frame.ts";
import {
  count,
  flag,
  id,
  idOrEmpty,
  invitation,
  MAX_TEXT_LENGTH,
  member,
  name,
  positive,
  quantity,
  type Schema,
  text,
  url,
  viewstamp,
} from "./wire-schemas.ts";

const REFUSAL_CODES: readonly RefusalCode[] = ["BUSY", "NOTPRIMARY", "SESSION_EXPIRED", "OVERLOADED", "INVALID"];
const CONSISTENCIES: readonly Query["consistency"][] = ["linearizable", "local"];
const ACTIONS: readonly Change["action"][] = ["add", "remove", "lift"];

function readOneOf<T>(reader: Reader, list: readonly T[], what: string): T {
  const index = reader.u8();
  if (index >= list.length) throw badMessage(`${index} is no ${what}`);
  return list[index]!;
}

const request: MessageCodec<Request> = {
  code: 64,
  write(writer, { session, number, acknowledgedThrough, skip, body }) {
    writeViewstamp(writer, session);
    writer.varuint(number);
    writer.varuint(acknowledgedThrough);
    writer.u8(skip ? 1 : 0);
    writer.block(body);
  },
  read(reader) {
    const session = readViewstamp(reader);
    const number = reader.varuint();
    if (number === 0) throw badMessage("requests are numbered from 1");
    const acknowledgedThrough = reader.varuint();
    const skip = reader.flag();
    return { type: "request", session, number, acknowledgedThrough, skip, body: reader.block() };
  },
};

const query: MessageCodec<Query> = {
  code: 65,
  write(writer, { xid, consistency, body }) {
    writer.varuint(xid);
    writer.u8(CONSISTENCIES.indexOf(consistency));
    writer.block(body);
  },
  read: (reader) => ({
    type: "query",
    xid: reader.varuint(),
    consistency: readOneOf(reader, CONSISTENCIES, "consistency"),
    body: reader.block(),
  }),
};

const xidOnly = v.strictObject({ xid: count });

export const clientCodecs: CodecTable<ClientMessage> = {
  request,
  query,
  keepAlive: {
    code: 66,
    write(writer, { xid, session }) {
      writer.varuint(xid);
      writeViewstamp(writer, session);
    },
    read: (reader) => ({ type: "keepAlive", xid: reader.varuint(), session: readViewstamp(reader) }),
  },
  open: checked(80, "open", v.strictObject({ xid: count, ttlMs: positive })),
  end: checked(81, "end", v.strictObject({ xid: count, session: viewstamp })),
  askStatus: checked(82, "askStatus", xidOnly),
  copy: checked(84, "copy", v.strictObject({ xid: count, next: count })),
  change: checked(83, "change", v.strictObject({ xid: count, action: v.picklist(ACTIONS), id, url })),
};

const reply: MessageCodec<Reply> = {
  code: 128,
  write(writer, { session, number, body }) {
    writeViewstamp(writer, session);
    writer.varuint(number);
    writer.block(body);
  },
  read: (reader) => ({
    type: "reply",
    session: readViewstamp(reader),
    number: reader.varuint(),
    body: reader.block(),
  }),
};

const requestRefused: MessageCodec<RequestRefused> = {
  code: 129,
  write(writer, message) {
    writeViewstamp(writer, message.session);
    writer.varuint(message.number);
    writer.u8(REFUSAL_CODES.indexOf(message.code));
    writer.u8(message.outcomeUnknown ? 1 : 0);
    writer.text(message.text.slice(0, MAX_TEXT_LENGTH));
  },
  read(reader) {
    const session = readViewstamp(reader);
    const number = reader.varuint();
    const code = readOneOf(reader, REFUSAL_CODES, "refusal");
    const outcomeUnknown = reader.flag();
    const said = reader.text();
    if (said.length > MAX_TEXT_LENGTH) throw badMessage(`a refusal's text of ${said.length} characters`);
    return { type: "requestRefused", session, number, code, outcomeUnknown, text: said };
  },
};

const declined: MessageCodec<Extract<ServerMessage, { type: "declined" }>> = checked(
  144,
  "declined",
  v.strictObject({ xid: count, code: v.picklist(REFUSAL_CODES), outcomeUnknown: flag, text }),
);

const status: Schema<NodeStatus> = v.strictObject({
  id,
  incarnation: idOrEmpty,
  clusterId: idOrEmpty,
  runtime: text,
  role: v.picklist(["primary", "backup", "learner", "none"]),
  active: flag,
  vid: count,
  primary: idOrEmpty,
  members: v.array(member),
  acceptors: v.array(member),
  barred: v.array(id),
  invited: v.array(invitation),
  viewstamp,
  commit: count,
  applied: count,
  hash: count,
  sessions: count,
  snapshotPauseMs: quantity,
  restorePauseMs: quantity,
  trouble: text,
  machines: v.array(v.strictObject({ name, version: positive, able: v.array(positive) })),
});

export const serverCodecs: CodecTable<ServerMessage> = {
  reply,
  requestRefused,
  answer: {
    code: 130,
    write(writer, { xid, body }) {
      writer.varuint(xid);
      writer.block(body);
    },
    read: (reader) => ({ type: "answer", xid: reader.varuint(), body: reader.block() }),
  },
  keptAlive: {
    code: 131,
    write: (writer, { xid }) => writer.varuint(xid),
    read: (reader) => ({ type: "keptAlive", xid: reader.varuint() }),
  },
  notice: {
    code: 132,
    write(writer, { session, body }) {
      writeViewstamp(writer, session);
      writer.block(body);
    },
    read: (reader) => ({ type: "notice", session: readViewstamp(reader), body: reader.block() }),
  },
  copied: {
    code: 133,
    write(writer, { xid, at, index, isEnd, body }) {
      writer.varuint(xid);
      writeViewstamp(writer, at);
      writer.varuint(index);
      writer.u8(isEnd ? 1 : 0);
      writer.block(body);
    },
    read: (reader) => ({
      type: "copied",
      xid: reader.varuint(),
      at: readViewstamp(reader),
      index: reader.varuint(),
      isEnd: reader.flag(),
      body: reader.block(),
    }),
  },
  declined: {
    ...declined,
    write: (writer, message) => declined.write(writer, { ...message, text: message.text.slice(0, MAX_TEXT_LENGTH) }),
  },
  opened: checked(145, "opened", v.strictObject({ xid: count, session: viewstamp, ttlMs: positive })),
  ended: checked(146, "ended", xidOnly),
  changed: checked(147, "changed", v.strictObject({ xid: count, vid: count })),
  news: checked(
    148,
    "news",
    v.strictObject({ vid: count, primary: idOrEmpty, primaryUrl: url, active: flag, urls: v.array(url) }),
  ),
  status: checked(149, "status", v.strictObject({ xid: count, status })),
};
