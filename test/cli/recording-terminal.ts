// A terminal that keeps what is written, without colours.
import { makeStyle, type Terminal } from "../../src/entry/cli/terminal.ts";

export function recordingTerminal(): { terminal: Terminal; data: string[]; messages: string[] } {
  const data: string[] = [];
  const messages: string[] = [];
  const terminal: Terminal = {
    data: (line) => data.push(line),
    bytes: (bytes) => data.push(new TextDecoder().decode(bytes)),
    message: (line) => messages.push(line),
    dataStyle: makeStyle(false),
    messageStyle: makeStyle(false),
  };
  return { terminal, data, messages };
}
