/**
 * CRC-32 (IEEE 802.3, as in zlib), four bytes at a time: not every runtime has it built in.
 * @module
 */

const POLYNOMIAL = 0xedb88320;
const tables = makeTables();

/** Table 0 is the classic one; table n advances a byte by n further places. */
function makeTables(): Int32Array {
  const made = new Int32Array(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    made[byte] = crc;
  }
  for (let at = 256; at < made.length; at++) {
    const before = made[at - 256]!;
    made[at] = (before >>> 8) ^ made[before & 0xff]!;
  }
  return made;
}

/** The checksum of `bytes` from `start` to `end`; of what stands before them as well, if `before` is that one's. */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length, before = 0): number {
  const whole = end - ((end - start) % 4);
  let crc = ~before;
  let at = start;
  for (; at < whole; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      tables[768 + (crc & 0xff)]! ^
      tables[512 + ((crc >>> 8) & 0xff)]! ^
      tables[256 + ((crc >>> 16) & 0xff)]! ^
      tables[crc >>> 24]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
