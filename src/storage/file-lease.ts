/**
 * A lock of a data directory while it is held. Its file is written anew every half second, so that others which cannot see
 * its process see that it lives; and who has not done so for a while (a process that stood still, a machine that slept) looks
 * whether the lock is still its own before it writes anything.
 *
 * The file is written first, and then looked for a higher lock; whoever takes over makes that first, and then looks whether
 * the file was written. So of two at the same moment at least one sees the other.
 * @module
 */
import { readdir, readFile, unlink, writeFile } from "node:fs";
import { basename, dirname } from "node:path";
import { clearInterval, setInterval } from "node:timers";
import { ViewstampError } from "../protocol/errors.ts";
import type { Done } from "../protocol/storage.ts";
import type { Owner } from "./file-owner.ts";
import { AGAIN_MS, isScarce, PATIENCE } from "./scarcity.ts";

export interface LockTimes {
  /** How often the file of a lock is written. */
  readonly beatMs: number;
  /** Who has not written it for longer looks before it does anything else. */
  readonly trustMs: number;
  /** A lock whose owner cannot be seen is left over if it does not change for so long: longer than any owner trusts it. */
  readonly watchMs: number;
}

export const LOCK_TIMES: LockTimes = { beatMs: 500, trustMs: 1500, watchMs: 3000 };

/** What the file says; of one length, so that it is written over in one piece. */
export function lockText(owner: Owner, id: string, beat: number): string {
  return JSON.stringify({ ...owner, id, beat: String(beat).padStart(12, "0") });
}

export class Lease {
  readonly #path: string;
  readonly #owner: Owner;
  readonly #id: string;
  readonly #times: LockTimes;
  readonly #isHigher: (name: string) => boolean;
  readonly #timer: ReturnType<typeof setInterval>;
  #beat = 0;
  #isEnding = false;
  /** When the last look began that found it its own, by both clocks: one stands still while the machine sleeps. */
  #trusted: Moment;
  #looking: Done[] | undefined;
  #lost: ViewstampError | undefined;
  #told: ((loss: Error) => void) | undefined;

  constructor(path: string, owner: Owner, id: string, times: LockTimes, isHigher: (name: string) => boolean) {
    this.#path = path;
    this.#owner = owner;
    this.#id = id;
    this.#times = times;
    this.#isHigher = isHigher;
    this.#trusted = clocks();
    this.#timer = setInterval(() => this.#look(() => {}), times.beatMs);
    this.#timer.unref();
  }

  /** Calls back when it is sure that the lock is held, at once as a rule; with an error if it is lost. */
  sure(done: Done): void {
    if (this.#lost !== undefined || this.#isTrusted()) done(this.#lost);
    else this.#look(done);
  }

  /** Has this called when the lock is found to be lost, though nobody wants to write. */
  onLoss(told: (loss: Error) => void): void {
    this.#told = told;
    if (this.#lost !== undefined) told(this.#lost);
  }

  /** Gives the lock back: not in the middle of a look, which might write to the lock of whoever comes next. */
  end(done: Done): void {
    this.#isEnding = true;
    clearInterval(this.#timer);
    if (this.#looking !== undefined) this.#looking.push(() => this.end(done));
    else this.#remove(done);
  }

  /** If it is still its own: whoever stood still may have lost it without knowing. */
  #remove(done: Done): void {
    const finish = (error: Error | null): void => done(error === null || isGone(error) ? undefined : error);
    readFile(this.#path, "utf8", (error, text) => {
      if (error !== null || !text.includes(this.#id)) finish(error);
      else unlink(this.#path, finish);
    });
  }

  #isTrusted(): boolean {
    return isWithin(this.#times.trustMs, this.#trusted);
  }

  #look(done: Done): void {
    this.#looking?.push(done);
    if (this.#looking !== undefined) return;
    this.#looking = [done];
    this.#lookNow();
  }

  #lookNow(patience: number = PATIENCE): void {
    const began = clocks();
    this.#write((error) => {
      // Nothing is known of the lock without opening it: whoever wants to write waits meanwhile.
      if (isScarce(error) && patience > 0 && !this.#isEnding)
        return void setTimeout(() => this.#lookNow(patience - 1), AGAIN_MS);
      // It stood still in the middle: others may have come meanwhile, and gone again.
      if (error === undefined && !isWithin(this.#times.watchMs / 2, began)) return this.#lookNow();
      const waiting = this.#looking ?? [];
      this.#looking = undefined;
      if (error === undefined) this.#trusted = began;
      else if (isGone(error) || error instanceof TakenOver) this.#lose(error);
      for (const one of waiting) one(this.#lost ?? error);
    });
  }

  #write(done: Done): void {
    readFile(this.#path, "utf8", (unreadable, text) => {
      if (unreadable !== null) return done(unreadable);
      if (!text.includes(this.#id)) return done(new TakenOver("it is another's now"));
      const beat = lockText(this.#owner, this.#id, ++this.#beat);
      writeFile(this.#path, beat, { flag: "r+" }, (unwritable) => {
        if (unwritable !== null) return done(unwritable);
        readdir(dirname(this.#path), (unlisted, names) => {
          if (unlisted !== null) done(unlisted);
          else done(names.some(this.#isHigher) ? new TakenOver("there is a later one") : undefined);
        });
      });
    });
  }

  #lose(cause: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = this.#lostBy(cause);
    this.#told?.(this.#lost);
  }

  #lostBy(cause: Error): ViewstampError {
    return new ViewstampError(
      "DataInUse",
      `${dirname(this.#path)} is no longer this replica's: its lock ${basename(this.#path)} is lost (${cause.message})`,
      { cause, data: { directory: dirname(this.#path) } },
    );
  }
}

class TakenOver extends Error {}

export function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

type Moment = readonly [monotonic: number, wall: number];

function isWithin(ms: number, [monotonic, wall]: Moment): boolean {
  const now = clocks();
  return now[0] - monotonic < ms && Math.abs(now[1] - wall) < ms;
}

function clocks(): Moment {
  return [performance.now(), Date.now()];
}
