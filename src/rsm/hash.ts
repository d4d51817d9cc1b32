/**
 * The running hash over viewstamps and replies, by which replicas notice that a machine is not deterministic.
 * @module
 */
import type { Viewstamp } from "../protocol/view.ts";

const PRIME = 0x01000193;
const MIX = 0x9e3779b1;

/** FNV-1a in two lanes with different mixing, as one safe integer: an alarm, not a signature. */
export function extendHash(hash: number, at: Viewstamp, reply: Uint8Array): number {
  let low = (hash >>> 0) ^ 0x811c9dc5;
  let high = Math.floor(hash / 4294967296) ^ 0x1b873593;
  low = Math.imul(low ^ at.seqno, PRIME);
  high = Math.imul(high ^ at.vid, MIX) ^ (high >>> 15);
  for (let index = 0; index < reply.length; index++) {
    const byte = reply[index] as number;
    low = Math.imul(low ^ byte, PRIME);
    high = Math.imul(high ^ byte, MIX) ^ (high >>> 13);
  }
  low ^= low >>> 16;
  return (high & 0x1fffff) * 4294967296 + (low >>> 0);
}
