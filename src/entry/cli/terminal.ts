/**
 * Where a command writes: data to standard output, messages to standard error, colours only where they are welcome.
 * @module
 */
import { writeSync } from "node:fs";

export interface Terminal {
  /** A line of data, to standard output. */
  data(line: string): void;
  /** Data as it is, to standard output. */
  bytes(bytes: Uint8Array): void;
  /** A line for people, to standard error. */
  message(line: string): void;
  readonly dataStyle: Style;
  readonly messageStyle: Style;
}

/** Each gives the text, in that colour or unchanged. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

/** https://no-color.org; FORCE_COLOR, set and not "0", wins over a stream that is no terminal. */
export function wantsColor(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  if ((environment["NO_COLOR"] ?? "") !== "") return false;
  const force = environment["FORCE_COLOR"] ?? "";
  if (force !== "") return force !== "0";
  return isTerminal && environment["TERM"] !== "dumb";
}

export function makeStyle(color: boolean): Style {
  const paint = (on: number, off: number) => (text: string) => (color ? `\x1b[${on}m${text}\x1b[${off}m` : text);
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}

/**
 * The streams of this process. Lines are written at once, so that nothing is lost when the process exits; a reader
 * that has gone away (`| head`) ends the program quietly.
 */
export function processTerminal(): Terminal {
  const { env, stdout, stderr } = process;
  return {
    data: (line) => writeAll(1, new TextEncoder().encode(`${line}\n`)),
    bytes: (bytes) => writeAll(1, bytes),
    message: (line) => writeAll(2, new TextEncoder().encode(`${line}\n`)),
    dataStyle: makeStyle(wantsColor(stdout.isTTY === true, env)),
    messageStyle: makeStyle(wantsColor(stderr.isTTY === true, env)),
  };
}

function writeAll(descriptor: 1 | 2, bytes: Uint8Array): void {
  let rest = bytes;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EAGAIN") continue;
      if (code === "EPIPE") process.exit(0);
      throw error;
    }
  }
}
