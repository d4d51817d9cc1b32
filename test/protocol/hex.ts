/** Bytes as people compare them. Apart from the random values: those cost tens of megabytes to load. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
