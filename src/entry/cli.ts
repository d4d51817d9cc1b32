#!/usr/bin/env node
/**
 * The program `viewstamp`: runs on Node, Bun and Deno, from source and from dist.
 * @module
 */
import { commands } from "./cli/commands.ts";
import { runProgram } from "./cli/program.ts";
import { processTerminal } from "./cli/terminal.ts";

// A command has closed what it opened; whatever a library may still hold must not keep the program alive.
process.exit(await runProgram(process.argv.slice(2), commands, processTerminal()));
