#!/usr/bin/env node
/**
 * The program `viewstamp`: runs on Node, Bun and Deno, from source and from dist.
 * @module
 */
import { get, put } from "./cli/kv.ts";
import { lock } from "./cli/lock.ts";
import { members } from "./cli/members.ts";
import { runProgram } from "./cli/program.ts";
import { serve } from "./cli/serve.ts";
import { status } from "./cli/status.ts";
import { processTerminal } from "./cli/terminal.ts";

const commands = [serve, status, members, put, get, lock];

// A command has closed what it opened; whatever a library may still hold must not keep the program alive.
process.exit(await runProgram(process.argv.slice(2), commands, processTerminal()));
