/**
 * The commands of the program, in the order of the help.
 * @module
 */
import type { Command } from "./command.ts";
import { dev } from "./dev.ts";
import { elect } from "./elect.ts";
import { get, put } from "./kv.ts";
import { lock } from "./lock.ts";
import { locks } from "./locks.ts";
import { log } from "./log.ts";
import { members } from "./members.ts";
import { recover } from "./recover.ts";
import { serve } from "./serve.ts";
import { snapshot } from "./snapshot.ts";
import { status } from "./status.ts";
import { steal } from "./steal.ts";

export const commands: readonly Command[] = [
  dev,
  serve,
  status,
  members,
  put,
  get,
  locks,
  lock,
  elect,
  steal,
  snapshot,
  log,
  recover,
];
