/**
 * The wire codec: messages to frames and back. What it gives has been checked as far as one message can be; bytes that
 * are no message are `BadMessage`, whatever they are.
 *
 * Bodies, entries and chunks that were read are views of the frame, not copies.
 * @module
 */
import type { ClientMessage, ServerMessage } from "./client-messages.ts";
import type { PeerMessage } from "./messages.ts";
import { MAX_FRAME_BYTES } from "./transport.ts";
import { clientCodecs, serverCodecs } from "./wire-client.ts";
import { type FrameCodec, frameCodec } from "./wire-frame.ts";
import { peerCodecs } from "./wire-peer.ts";

const SERVER_FRAME_BYTES = 64 * 1024;

const peer: FrameCodec<PeerMessage> = frameCodec(peerCodecs);
const client: FrameCodec<ClientMessage> = frameCodec(clientCodecs);
const server: FrameCodec<ServerMessage> = frameCodec(serverCodecs);

/** One frame, however large; `encodePeerFrames` keeps the bound. */
export function encodePeerFrame(messages: readonly PeerMessage[]): Uint8Array<ArrayBuffer> {
  return peer.encode(messages);
}

/** As few frames as hold the messages in order; a single message beyond `maxBytes` is a broken invariant. */
export function encodePeerFrames(messages: readonly PeerMessage[], maxBytes?: number): Uint8Array<ArrayBuffer>[] {
  return peer.encodeMany(messages, maxBytes);
}

/** @throws {ViewstampError} `BadMessage` */
export function decodePeerFrame(frame: Uint8Array): PeerMessage[] {
  return peer.decode(frame);
}

export function encodeClientFrame(messages: readonly ClientMessage[]): Uint8Array<ArrayBuffer> {
  return client.encode(messages);
}

export function encodeClientFrames(messages: readonly ClientMessage[], maxBytes?: number): Uint8Array<ArrayBuffer>[] {
  return client.encodeMany(messages, maxBytes);
}

/** @throws {ViewstampError} `BadMessage` */
export function decodeClientFrame(frame: Uint8Array): ClientMessage[] {
  return client.decode(frame);
}

export function encodeServerFrame(messages: readonly ServerMessage[]): Uint8Array<ArrayBuffer> {
  return server.encode(messages);
}

/**
 * Short frames: over a slow connection a client must hear something now and then, and it hears whole frames only. A single
 * long answer has one of its own.
 */
export function encodeServerFrames(messages: readonly ServerMessage[], maxBytes?: number): Uint8Array<ArrayBuffer>[] {
  return server.encodeMany(messages, maxBytes, Math.min(maxBytes ?? MAX_FRAME_BYTES, SERVER_FRAME_BYTES));
}

/** @throws {ViewstampError} `BadMessage` */
export function decodeServerFrame(frame: Uint8Array): ServerMessage[] {
  return server.decode(frame);
}
