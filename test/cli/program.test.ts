import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Command } from "../../src/entry/cli/command.ts";
import { UsageError } from "../../src/entry/cli/exit-codes.ts";
import { runProgram } from "../../src/entry/cli/program.ts";
import { columns } from "../../src/entry/cli/table.ts";
import { makeStyle, wantsColor } from "../../src/entry/cli/terminal.ts";
import { VERSION } from "../../src/entry/cli/version.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { recordingTerminal } from "./recording-terminal.ts";

function command(name: string, run: Command["run"]): Command {
  return { name, summary: `Does ${name}`, positionals: ["[WHAT]"], options: {}, takesCommand: false, run };
}

function failing(error: unknown): Command["run"] {
  return () => Promise.reject(error);
}

interface Run {
  readonly code: number;
  readonly data: string;
  readonly messages: string;
}

async function run(args: readonly string[], commands: readonly Command[]): Promise<Run> {
  const { terminal, data, messages } = recordingTerminal();
  const code = await runProgram(args, commands, terminal);
  return { code, data: data.join("\n"), messages: messages.join("\n") };
}

const greet = command("greet", async (args, terminal) => {
  terminal.data(`hello ${args.positionals[0] ?? "all"}`);
  return 7;
});

const program = suite("the program");

program("runs a command and gives its exit code", async () => {
  assert.equal(await run(["greet", "bob"], [greet]), { code: 7, data: "hello bob", messages: "" });
});

program("ends with a code of its own where machine versions do not fit", async () => {
  const old = command("old", async () => {
    throw new ViewstampError("WrongMachine", "start the newer program");
  });
  const { code, messages } = await run(["old"], [old]);
  assert.is(code, 7);
  assert.match(messages, "start the newer program");
});

program("explains itself and each command, on standard output", async () => {
  for (const args of [["--help"], ["-h"], ["help"]]) {
    const { code, data, messages } = await run(args, [greet]);
    assert.is(code, 0);
    assert.is(messages, "");
    assert.match(data, "greet  Does greet");
    assert.match(data, "Exit codes:");
  }
  for (const args of [
    ["greet", "--help"],
    ["help", "greet"],
    ["greet", "--wrong", "-h"],
  ]) {
    const { code, data } = await run(args, [greet]);
    assert.is(code, 0);
    assert.match(data, "Usage: viewstamp greet [WHAT] [options]");
  }
});

program("leaves --help after -- to the command that follows", async () => {
  const wrap: Command = {
    ...command("wrap", async (args, terminal) => {
      terminal.data(args.command.join(" "));
      return 0;
    }),
    takesCommand: true,
  };
  assert.is((await run(["wrap", "--", "ls", "--help"], [wrap])).data, "ls --help");
});

program("refuses what it does not know, on standard error, with 2", async () => {
  for (const [args, text] of [
    [[], "a command is missing"],
    [["dance"], "unknown command dance; there are: greet"],
    [["great"], "unknown command great; did you mean greet?"],
    [["--frobnicate"], "unknown option --frobnicate"],
    [["greet", "--loud"], "unknown option --loud"],
    [["greet", "a", "b"], 'too many arguments: "b"'],
  ] as const) {
    const { code, data, messages } = await run(args, [greet]);
    assert.is(code, 2);
    assert.is(data, "");
    assert.match(messages, text);
    assert.match(messages, "usage: viewstamp");
  }
});

program("turns each error into one message without a stack, and a documented code", async () => {
  const cases: readonly (readonly [error: unknown, code: number, text: string])[] = [
    [new UsageError("--id is missing"), 2, "viewstamp: --id is missing"],
    [new ViewstampError("InvalidOptions", "suspectMs is too small"), 2, "viewstamp: suspectMs is too small"],
    [new ViewstampError("Timeout", "no answer", { outcomeUnknown: true }), 3, "no answer (it may have been done)"],
    [new ViewstampError("NoQuorum", "b and c are missing"), 3, "b and c are missing"],
    [new ViewstampError("LockLost", "the lock is lost"), 4, "the lock is lost"],
    [new ViewstampError("AddressInUse", "ws://h:1 is taken", { cause: new Error("EADDRINUSE") }), 1, "EADDRINUSE"],
    [new Error("surprise"), 1, "viewstamp: surprise"],
    ["a string", 1, "viewstamp: a string"],
  ];
  for (const [error, code, text] of cases) {
    const outcome = await run(["fail"], [command("fail", failing(error))]);
    assert.is(outcome.code, code);
    assert.match(outcome.messages, text);
    assert.not.match(outcome.messages, /\n\s+at /);
  }
});

program("has the version of the package", async () => {
  assert.is(VERSION, JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version);
  assert.is((await run(["--version"], [greet])).data, VERSION);
});

program.run();

const looks = suite("what it prints");

looks("has colours only where they are welcome", () => {
  assert.ok(wantsColor(true, { TERM: "xterm" }));
  assert.not(wantsColor(false, {}));
  assert.not(wantsColor(true, { NO_COLOR: "1", FORCE_COLOR: "1" }));
  assert.ok(wantsColor(true, { NO_COLOR: "" }));
  assert.ok(wantsColor(false, { FORCE_COLOR: "1" }));
  assert.not(wantsColor(true, { FORCE_COLOR: "0" }));
  assert.not(wantsColor(true, { TERM: "dumb" }));
  assert.is(makeStyle(true).red("x"), "\x1b[31mx\x1b[39m");
  assert.is(makeStyle(false).red("x"), "x");
});

looks("stands in columns", () => {
  assert.equal(
    columns(
      [
        ["a", "long", "x"],
        ["bbb", "c"],
      ],
      "  ",
    ),
    ["  a    long  x", "  bbb  c"],
  );
});

looks.run();
