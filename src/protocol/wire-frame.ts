/**
 * Frames: a version byte, then messages, each as type byte, length (u32) and content. What the content of a type is,
 * a table says.
 * @module
 */
import { badMessage, Reader, Writer } from "./bytes.ts";
import { assert } from "./errors.ts";
import { MAX_FRAME_BYTES } from "./transport.ts";
import { readValue, writeValue } from "./values.ts";
import { parse, type Schema } from "./wire-schemas.ts";

const FRAME_VERSION = 1;

/** How one type of message is written after its head, and read back; `read` throws `BadMessage`. */
export interface MessageCodec<M> {
  readonly code: number;
  write(writer: Writer, message: M): void;
  read(reader: Reader): M;
}

/** A codec for each type of a closed union. */
export type CodecTable<M extends { readonly type: string }> = {
  readonly [T in M["type"]]: MessageCodec<Extract<M, { readonly type: T }>>;
};

/** A type without a layout of its own: a value of its fields, checked by a schema when read. */
export function checked<M extends { readonly type: string }>(
  code: number,
  type: M["type"],
  schema: Schema<Omit<M, "type">>,
): MessageCodec<M> {
  return {
    code,
    write: (writer, { type: _, ...fields }) => writeValue(writer, fields),
    // The schema is of exactly M without its type, which is put back.
    read: (reader) => ({ type, ...parse(schema, readValue(reader), type) }) as unknown as M,
  };
}

export interface FrameCodec<M> {
  encode(messages: readonly M[]): Uint8Array<ArrayBuffer>;
  /** As few frames as hold the messages in order, none above `maxBytes`, and none of several messages above `aimBytes`. */
  encodeMany(messages: readonly M[], maxBytes?: number, aimBytes?: number): Uint8Array<ArrayBuffer>[];
  decode(frame: Uint8Array): M[];
}

export function frameCodec<M extends { readonly type: string }>(table: CodecTable<M>): FrameCodec<M> {
  const codecs = table as Readonly<Record<string, MessageCodec<M>>>;
  const byCode = new Map(Object.values(codecs).map((codec) => [codec.code, codec]));
  const scratch = new Writer(4096);

  function encodeMany(
    messages: readonly M[],
    maxBytes: number = MAX_FRAME_BYTES,
    aimBytes: number = maxBytes,
  ): Uint8Array<ArrayBuffer>[] {
    const frames: Uint8Array<ArrayBuffer>[] = [];
    begin(scratch);
    const empty = scratch.length;
    for (const message of messages) {
      const before = scratch.length;
      append(scratch, message);
      const bytes = empty + scratch.length - before;
      assert(bytes <= maxBytes, `a ${message.type} of ${bytes} bytes, ${maxBytes} fit in a frame`);
      if (scratch.length <= aimBytes || before === empty) continue;
      const overflowing = scratch.copy(before);
      frames.push(scratch.copy(0, before));
      begin(scratch);
      scratch.bytes(overflowing);
    }
    if (scratch.length > 1) frames.push(scratch.finish());
    return frames;
  }

  function encode(messages: readonly M[]): Uint8Array<ArrayBuffer> {
    begin(scratch);
    for (const message of messages) append(scratch, message);
    return scratch.finish();
  }

  function append(writer: Writer, message: M): void {
    const codec = codecs[message.type]!;
    writer.u8(codec.code);
    const at = writer.length;
    writer.u32(0);
    codec.write(writer, message);
    writer.patchU32(at, writer.length - at - 4);
  }

  function decode(frame: Uint8Array): M[] {
    const reader = new Reader(frame);
    const version = reader.u8();
    if (version !== FRAME_VERSION) throw badMessage(`frame version ${version}, known is ${FRAME_VERSION}`);
    const messages: M[] = [];
    while (reader.left > 0) messages.push(take(reader));
    return messages;
  }

  function take(reader: Reader): M {
    const code = reader.u8();
    const codec = byCode.get(code);
    if (codec === undefined) throw badMessage(`${code} is no type of message here`);
    const content = reader.part(reader.u32());
    const message = codec.read(content);
    content.finish();
    return message;
  }

  return { encode, encodeMany, decode };
}

function begin(writer: Writer): void {
  writer.reset();
  writer.u8(FRAME_VERSION);
}
