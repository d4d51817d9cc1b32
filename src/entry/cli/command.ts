/**
 * What a command of the program is, and its help.
 * @module
 */
import type { Arguments, OptionSpec, Shape } from "./arguments.ts";
import { columns } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface Command extends Shape {
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Lines that follow the options in the command's help. */
  readonly details?: readonly string[];
  /** Resolves to the exit code. */
  run(args: Arguments, terminal: Terminal): Promise<number>;
}

export const clusterOption: OptionSpec = {
  type: "string",
  value: "LIST",
  required: true,
  help: "addresses of nodes: ws://host:7001,… or a=ws://host:7001,…; some of them are enough",
};

export const timeoutOption: OptionSpec = {
  type: "string",
  value: "MS",
  help: "give up after this many milliseconds (default 10000)",
};

export const DEFAULT_TIMEOUT_MS = 10_000;

/** The usage line, without the program's name. */
export function usageOf({ name, positionals, options, takesCommand }: Command): string {
  const required = Object.entries(options).filter((option) => option[1].required === true);
  const needed = required.map(([option, { value }]) => `--${option} ${value}`);
  return [name, ...positionals, ...needed, "[options]", ...(takesCommand ? ["-- COMMAND [ARGUMENT …]"] : [])].join(" ");
}

export function helpOf(command: Command): string[] {
  const options = { ...command.options, help: { type: "boolean", help: "show this" } as const };
  const rows = Object.entries<OptionSpec>(options).map(([name, { value, help }]) => [
    `--${name}${value === undefined ? "" : ` ${value}`}`,
    help,
  ]);
  const details = command.details ?? [];
  return [
    `Usage: viewstamp ${usageOf(command)}`,
    "",
    `${command.summary}.`,
    "",
    "Options:",
    ...columns(rows, "  "),
    ...(details.length > 0 ? ["", ...details] : []),
  ];
}
