/**
 * The bodies of commands, queries, replies and notices: what a client and a machine say to each other through the
 * cluster, which passes the bytes on untouched.
 * @module
 */
import { badMessage } from "./bytes.ts";
import { ViewstampError } from "./errors.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** A command or query: which machine, what, with which input. */
export interface Call {
  readonly machine: string;
  readonly name: string;
  readonly input: unknown;
  /** The version of the machine that the caller knows. */
  readonly version: number;
}

/** Why a call was not done, other than by the machine's own refusal. */
export type CallFailure = "MachineFailed" | "UnknownCommand" | "InvalidInput" | "WrongMachine";

/** What a machine answers. */
export type CallReply =
  | { readonly type: "ok"; readonly value: unknown }
  /** The machine threw `MachineError(code, data)`. */
  | { readonly type: "refused"; readonly code: string; readonly data: unknown }
  | { readonly type: "failed"; readonly code: CallFailure; readonly text: string };

/** A notice, and which machine it comes from. */
export interface MachineNotice {
  readonly machine: string;
  readonly value: unknown;
}

// First element of an encoded reply.
const OK = 0;
const REFUSED = 1;
const FAILED = 2;

const failures: readonly CallFailure[] = ["MachineFailed", "UnknownCommand", "InvalidInput", "WrongMachine"];

/**
 * The version is left out where it is 1.
 * @throws {ViewstampError} `InvalidInput` if the codec cannot carry the input
 */
export function encodeCall(machine: string, name: string, input: unknown, version: number = 1): Uint8Array {
  try {
    return encodeValue(version === 1 ? [machine, name, input] : [machine, name, input, version]);
  } catch (error) {
    throw error instanceof ViewstampError ? inputRefused(`${machine}.${name}`, error) : error;
  }
}

/** The codec says where in the whole body; the caller gave only the input. */
function inputRefused(what: string, { code, message, data }: ViewstampError): ViewstampError {
  const own = (text: string): string => text.replace("value[2]", "value");
  return new ViewstampError(code, `input of ${what}: ${own(message)}`, { data: { path: own(`${data["path"]}`) } });
}

/** @throws {ViewstampError} `BadMessage` */
export function decodeCall(bytes: Uint8Array): Call {
  const list = decodeList(bytes, "call");
  const [machine, name, input, version = 1] = list;
  if (list.length < 3 || list.length > 4 || typeof machine !== "string" || typeof name !== "string")
    throw badMessage("no call");
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1) throw badMessage("no call");
  return { machine, name, input, version };
}

/** @throws {ViewstampError} `InvalidInput` if the codec cannot carry the value or data */
export function encodeReply(reply: CallReply): Uint8Array {
  switch (reply.type) {
    case "ok":
      return encodeValue([OK, reply.value]);
    case "refused":
      return encodeValue([REFUSED, reply.code, reply.data]);
    case "failed":
      return encodeValue([FAILED, failures.indexOf(reply.code), reply.text]);
  }
}

/** @throws {ViewstampError} `BadMessage` */
export function decodeReply(bytes: Uint8Array): CallReply {
  const list = decodeList(bytes, "reply");
  const [type, first, second] = list;
  if (type === OK && list.length === 2) return { type: "ok", value: first };
  if (type === REFUSED && list.length === 3 && typeof first === "string") {
    return { type: "refused", code: first, data: second };
  }
  const isFailed = type === FAILED && list.length === 3 && typeof first === "number";
  const code = isFailed ? failures[first] : undefined;
  if (code === undefined || typeof second !== "string") throw badMessage("no reply of a machine");
  return { type: "failed", code, text: second };
}

/** @throws {ViewstampError} `InvalidInput` if the codec cannot carry the value */
export function encodeNotice(machine: string, value: unknown): Uint8Array {
  return encodeValue([machine, value]);
}

/** @throws {ViewstampError} `BadMessage` */
export function decodeNotice(bytes: Uint8Array): MachineNotice {
  const list = decodeList(bytes, "notice");
  const [machine, value] = list;
  if (list.length !== 2 || typeof machine !== "string") throw badMessage("no notice");
  return { machine, value };
}

function decodeList(bytes: Uint8Array, what: string): readonly unknown[] {
  const list = decodeValue(bytes);
  if (!Array.isArray(list)) throw badMessage(`no ${what}`);
  return list;
}
