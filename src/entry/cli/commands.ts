/**
 * The commands of the program, in the order of the help.
 * @module
 */
import type { Command } from "./command.ts";
import { get, put } from "./kv.ts";
import { lock } from "./lock.ts";
import { log } from "./log.ts";
import { members } from "./members.ts";
import { recover } from "./recover.ts";
import { serve } from "./serve.ts";
import { snapshot } from "./snapshot.ts";
import { status } from "./status.ts";

export const commands: readonly Command[] = [serve, status, members, put, get, lock, snapshot, log, recover];
