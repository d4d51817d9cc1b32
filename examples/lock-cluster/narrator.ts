/**
 * Tells a person what happens, one calm line at a time. Colours where they are welcome.
 * @module
 */
import type { Fact } from "./replica-process.ts";

const { env, stdout } = process;
const forced = env["FORCE_COLOR"] ?? "";
const colored = (env["NO_COLOR"] ?? "") === "" && (forced === "" ? stdout.isTTY === true : forced !== "0");

function paint(code: number): (text: string) => string {
  return (text) => (colored ? `\x1b[${code}m${text}\x1b[39m` : text);
}

export const red: (text: string) => string = paint(31);
export const green: (text: string) => string = paint(32);
export const cyan: (text: string) => string = paint(36);
export const gray: (text: string) => string = paint(90);

export class Narrator {
  readonly #startedAt: number = performance.now();
  readonly #told = new Set<string>();

  say(text = ""): void {
    console.log(text);
  }

  /** A line with the time since the beginning. */
  tell(text: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(2);
    console.log(`${gray(`${seconds.padStart(6)} s`)}  ${text}`);
  }

  /** What a replica says. Every one of them tells of each view: once is enough for a person. */
  hear(id: string, fact: Fact): void {
    const text = textOf(id, fact);
    if (text === undefined || this.#told.has(text)) return;
    this.#told.add(text);
    this.tell(text);
  }
}

function textOf(id: string, { event, vid, members, primary }: Fact): string | undefined {
  switch (event) {
    case "view":
      return `${cyan(`view ${vid}`)}   members ${members?.join(" ")}   primary ${primary}`;
    case "active":
      return `${green(`${id} takes requests`)} in view ${vid}`;
    case "joining":
      return `${id} is not in view ${vid} and asks to join`;
    default:
      return undefined;
  }
}
