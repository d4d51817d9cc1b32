/**
 * The name of the runtime, for people who read `status`.
 * @module
 */

/** `"node 20.20.2"`, `"bun 1.4.5"` or `"deno 2.9.5"`. */
export function runtimeName(): string {
  const versions: Readonly<Record<string, string | undefined>> = globalThis.process?.versions ?? {};
  // Bun and Deno give a version of Node too.
  const name = ["bun", "deno", "node"].find((one) => versions[one] !== undefined);
  return name === undefined ? "unknown" : `${name} ${versions[name]}`;
}
