/**
 * `query`: who uses a lock and who waits for it. The cluster knows who has the locks; where a client may keep one unused
 * it is asked, which makes uses of what it keeps.
 * @module
 */
import * as v from "valibot";
import type { CallOptions, ClientCore, QueryOptions } from "../client/contract.ts";
import { checkQueryOptions } from "../client/options.ts";
import { ViewstampError } from "../protocol/errors.ts";
import { shownName } from "./client-names.ts";
import type { LockInfo, LockSnapshot } from "./client-types.ts";
import {
  type KeptTenure,
  type ListCursor,
  type Listed,
  type ListPage,
  MAX_SURVEYED,
  pageSchema,
} from "./machine-words.ts";

/** Clients that do not answer for so long are taken to use what they keep: the cluster cannot give it away either. */
const ANSWER_MS = 1000;
const LEAST_PAUSE_MS = 1;
const MOST_PAUSE_MS = 50;

/**
 * `isBehind`: whether the cluster has still to hear of something that came before this query. Where clients keep locks all
 * pages are read twice, so that all of them are asked before any is waited for: one time limit does for all answers.
 */
export async function querySnapshot(
  core: ClientCore,
  options: QueryOptions,
  isBehind: () => boolean,
): Promise<LockSnapshot> {
  checkQueryOptions(options);
  const survey = new Survey(core, options);
  await survey.catchUp(isBehind);
  const snapshot = await allPages((from) => survey.askedAbout(from));
  return survey.hasAsked ? await allPages((from) => survey.answered(from)) : snapshot;
}

async function allPages(read: (from: ListCursor) => Promise<ListPage>): Promise<LockSnapshot> {
  const snapshot: LockSnapshot = { held: [], pending: [] };
  let from: ListPage["next"] = { name: "", index: 0 };
  while (from !== undefined) {
    const page: ListPage = await read(from);
    for (const listed of page.requests) addTo(snapshot, listed);
    from = page.next;
  }
  return snapshot;
}

class Survey {
  readonly #core: ClientCore;
  readonly #options: QueryOptions;
  readonly #since: number;
  /** Whoever keeps a lock that is not among these has taken it, and so used it, while we looked. */
  readonly #asked: Set<string> = new Set();
  #answersUntil = 0;

  constructor(core: ClientCore, options: QueryOptions) {
    this.#core = core;
    this.#options = options;
    this.#since = core.environment.now();
  }

  get hasAsked(): boolean {
    return this.#asked.size > 0;
  }

  /** A query sees what its own client has asked for and given back before, as in the standard. */
  async catchUp(isBehind: () => boolean): Promise<void> {
    if (this.#options.consistency === "local") return;
    const end = this.#core.environment.now() + ANSWER_MS;
    while (isBehind()) {
      // A command like any other: it is done after all that were sent before.
      await this.#ask([]);
      if (!isBehind() || this.#core.environment.now() >= end) return;
      await this.#pause(LEAST_PAUSE_MS);
    }
  }

  /** A page as it is; the clients that keep locks of it are asked what they use. */
  async askedAbout(from: ListCursor): Promise<ListPage> {
    const page = await this.#list(from);
    if (this.#options.consistency === "local") return page;
    const kept = keptIn(page);
    for (let at = 0; at < kept.length; at += MAX_SURVEYED) await this.#ask(kept.slice(at, at + MAX_SURVEYED));
    return page;
  }

  /** A page in which every tenure is a use, as far as clients have answered in time. */
  async answered(from: ListCursor): Promise<ListPage> {
    const { environment } = this.#core;
    for (let pauseMs = LEAST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)) {
      const page = await this.#list(from);
      const isAnswered = !keptIn(page).some((tenure) => this.#asked.has(keyOf(tenure)));
      if (isAnswered || environment.now() >= this.#answersUntil) return page;
      await this.#pause(pauseMs);
    }
  }

  async #list(from: ListCursor): Promise<ListPage> {
    return v.parse(pageSchema, await this.#core.ask("locks", "list", from, this.#inTime()));
  }

  async #ask(kept: readonly KeptTenure[]): Promise<void> {
    for (const tenure of kept) this.#asked.add(keyOf(tenure));
    for (;;) {
      await this.#core.openSession(this.#callInTime());
      try {
        await this.#core.execute("locks", "survey", kept, this.#callInTime());
        break;
      } catch (error) {
        // Asking twice is asking once.
        if (!(error instanceof ViewstampError && error.code === "SessionExpired")) throw error;
      }
    }
    this.#answersUntil = this.#core.environment.now() + ANSWER_MS;
  }

  #pause(ms: number): Promise<void> {
    const { timeoutMs = ms } = this.#inTime();
    return new Promise((resume) => this.#core.environment.setTimer(Math.min(ms, timeoutMs), resume));
  }

  /** The options of one step of several: all of them have to be done within the time limit. */
  #inTime(): QueryOptions {
    const { timeoutMs } = this.#options;
    if (timeoutMs === undefined) return this.#options;
    const left = this.#since + timeoutMs - this.#core.environment.now();
    if (left > 0) return { ...this.#options, timeoutMs: left };
    const why = `the query was not done within ${timeoutMs} ms: clients that keep locks are asked for what they use`;
    throw new ViewstampError("Timeout", why, { data: { timeoutMs } });
  }

  #callInTime(): CallOptions {
    const { consistency: _, ...options } = this.#inTime();
    return options;
  }
}

function keptIn({ requests }: ListPage): KeptTenure[] {
  return requests.flatMap(({ name, session, kept }) => (kept === undefined ? [] : { name, session, xid: kept }));
}

function keyOf({ session, xid, name }: KeptTenure): string {
  return `${session} ${xid} ${name}`;
}

function addTo(snapshot: LockSnapshot, listed: Listed): void {
  const { mode, session, owner, ageMs, token, permits, availableInMs } = listed;
  const info: LockInfo = {
    ...{ name: shownName(listed.name), mode, clientId: session, owner, ageMs },
    ...(permits !== undefined && { permits }),
    ...(availableInMs !== undefined && { availableInMs }),
  };
  if (token === undefined) snapshot.pending.push(info);
  else snapshot.held.push(withJson({ ...info, token }, token));
}

/** Programs for `navigator.locks` log snapshots as JSON, which refuses a bigint: it gets a string. */
function withJson(info: LockInfo, token: bigint): LockInfo {
  return Object.defineProperty(info, "toJSON", { value: () => ({ ...info, token: String(token) }) });
}
