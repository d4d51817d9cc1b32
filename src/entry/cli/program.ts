/**
 * From the command line to an exit code: finds the command, answers `--help` and `--version`, turns every error into
 * one clear message.
 * @module
 */
import { ViewstampError } from "../../protocol/errors.ts";
import { didYouMean, isNear, parseArguments } from "./arguments.ts";
import { type Command, helpOf, usageOf } from "./command.ts";
import { exitCode, exitCodeOf, exitCodeTable, UsageError } from "./exit-codes.ts";
import { Interrupted } from "./interruption.ts";
import { columns } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** Runs the program; never rejects. */
export async function runProgram(
  args: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
): Promise<number> {
  const [name = "", ...rest] = args;
  const command = commands.find((one) => one.name === name);
  try {
    if (command === undefined) return runWithoutCommand(name, rest, commands, terminal);
    if (asksForHelp(rest)) return print(helpOf(command), terminal);
    return await command.run(parseArguments(rest, command), terminal);
  } catch (error) {
    return report(error, command, terminal);
  }
}

function runWithoutCommand(
  name: string,
  rest: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
): number {
  const topic = commands.find((one) => one.name === rest[0]);
  if (name === "help" && topic !== undefined) return print(helpOf(topic), terminal);
  if (name === "--help" || name === "-h" || name === "help") return print(overview(commands), terminal);
  if (name === "--version" || name === "-v" || name === "version") return print([VERSION], terminal);
  if (name === "") throw new UsageError("a command is missing");
  const kind = name.startsWith("-") ? "option" : "command";
  const near = commands.find((one) => isNear(one.name, name));
  const hint = near === undefined ? `there are: ${commands.map((one) => one.name).join(", ")}` : didYouMean(near.name);
  throw new UsageError(`unknown ${kind} ${name}; ${hint}`);
}

/** `--help` after `--` belongs to the command that follows. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === "--help" || arg === "-h");
}

function print(lines: readonly string[], terminal: Terminal): number {
  for (const line of lines) terminal.data(line);
  return exitCode.ok;
}

function overview(commands: readonly Command[]): string[] {
  return [
    "Usage: viewstamp COMMAND [options]",
    "",
    "A replicated state machine with locks and a key-value store: nodes, and a client for them.",
    "",
    "Commands:",
    ...columns(
      commands.map((command) => [command.name, command.summary]),
      "  ",
    ),
    "",
    "viewstamp COMMAND --help says more; --version shows the version.",
    "",
    "Data goes to standard output, messages to standard error. NO_COLOR is respected.",
    "",
    "Exit codes:",
    ...columns(exitCodeTable, "  "),
  ];
}

function report(error: unknown, command: Command | undefined, terminal: Terminal): number {
  const { red } = terminal.messageStyle;
  terminal.message(`${red("viewstamp:")} ${messageOf(error)}`);
  if (error instanceof UsageError) {
    const usage = command === undefined ? "COMMAND [options]" : usageOf(command);
    terminal.message(`usage: viewstamp ${usage}   (--help says more)`);
  }
  return error instanceof Interrupted ? error.code : exitCodeOf(error);
}

/** The message and what its causes add to it, without stacks: those help only who knows the source. */
function messageOf(error: unknown): string {
  let text = error instanceof Error ? error.message : String(error);
  if (error instanceof ViewstampError && error.outcomeUnknown && !text.includes("may still be done"))
    text += " (it may have been done)";
  for (let cause = causeOf(error); cause !== undefined; cause = causeOf(cause)) {
    if (!text.includes(cause.message)) text += `: ${cause.message}`;
  }
  return text;
}

function causeOf(error: unknown): Error | undefined {
  return error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
}
