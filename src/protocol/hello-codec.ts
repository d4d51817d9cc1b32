/**
 * The bytes of the hellos: `vs`, the kind, then a value. They must be read by every later version, so fields that are
 * not known are left out, not refused.
 * @module
 */
import * as v from "valibot";
import { badMessage, Reader, Writer } from "./bytes.ts";
import type { ErrorCode } from "./errors.ts";
import type { Hello, HelloReply, Rejection, Welcome } from "./hello.ts";
import { readValue, writeValue } from "./values.ts";
import {
  bytes,
  clusterId,
  id,
  incarnation,
  MAX_TEXT_LENGTH,
  name,
  parse,
  positive,
  quantity,
  type Schema,
  text,
  url,
} from "./wire-schemas.ts";

const MARK = 0x7673;
const HELLO = 1;
const REPLY = 2;

/** What a node refuses a hello with; a code of a later version counts as a protocol not spoken here. */
const REJECTIONS: readonly ErrorCode[] = [
  "WrongCluster",
  "WrongProtocol",
  "WrongMachine",
  "OptionsDisagree",
  "BadMessage",
  "InvalidOptions",
  "Overloaded",
  "Closed",
  "Busy",
  "Internal",
];

const hello: Schema<Hello> = v.object({
  protocol: v.pipe(
    v.object({ least: positive, newest: positive }),
    v.check(({ least, newest }) => least <= newest, "the least version is above the newest"),
  ),
  role: v.picklist(["peer", "client"]),
  clusterId: v.undefinedable(clusterId),
  node: v.undefinedable(v.object({ id, incarnation, url })),
  machines: v.array(v.object({ name, versions: v.array(positive) })),
  options: v.undefinedable(v.object({ minCopies: positive, maxBodyBytes: positive, driftPercent: quantity })),
  authentication: v.undefinedable(bytes),
});

const reply: Schema<HelloReply> = v.variant("accepted", [
  v.object({
    accepted: v.literal(true),
    protocol: positive,
    clusterId: v.undefinedable(clusterId),
    node: v.object({ id, incarnation }),
    maxBodyBytes: positive,
    driftPercent: quantity,
    authentication: v.undefinedable(bytes),
  }) satisfies Schema<Welcome>,
  v.object({
    accepted: v.literal(false),
    code: v.fallback(v.picklist(REJECTIONS), "WrongProtocol"),
    text,
  }) satisfies Schema<Rejection>,
]);

export function encodeHello(message: Hello): Uint8Array<ArrayBuffer> {
  return encode(HELLO, message);
}

/** @throws {ViewstampError} `BadMessage` */
export function decodeHello(frame: Uint8Array): Hello {
  const decoded = parse(hello, decode(HELLO, frame), "hello");
  if (decoded.role === "peer" && (decoded.node === undefined || decoded.options === undefined)) {
    throw badMessage("hello: a peer does not say who it is or its options");
  }
  return decoded;
}

export function encodeHelloReply(message: HelloReply): Uint8Array<ArrayBuffer> {
  return encode(REPLY, message.accepted ? message : { ...message, text: message.text.slice(0, MAX_TEXT_LENGTH) });
}

/** @throws {ViewstampError} `BadMessage` */
export function decodeHelloReply(frame: Uint8Array): HelloReply {
  return parse(reply, decode(REPLY, frame), "hello reply");
}

function encode(kind: number, value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.u32(MARK * 0x10000 + kind);
  writeValue(writer, value);
  return writer.finish();
}

function decode(kind: number, frame: Uint8Array): unknown {
  const reader = new Reader(frame);
  if (reader.u32() !== MARK * 0x10000 + kind) throw badMessage("this is no hello of viewstamp");
  const value = readValue(reader);
  reader.finish();
  return value;
}
