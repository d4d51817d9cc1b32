/**
 * Made-up histories of locks, for the tests of rules 12 to 14.
 * @module
 */
import { encodeCall, encodeNotice, encodeReply } from "../../../src/protocol/calls.ts";
import type { Notice } from "../../../src/protocol/machine.ts";
import { parseSessionId } from "../../../src/protocol/session.ts";
import { ORIGIN, type Viewstamp } from "../../../src/protocol/view.ts";
import { Facts } from "../../../src/simulator/ledger/facts.ts";
import type { ClientsEye, Watcher } from "../../../src/simulator/ledger/observer.ts";
import { exclusion } from "../../../src/simulator/ledger/rules/exclusion.ts";
import { tokens } from "../../../src/simulator/ledger/rules/tokens.ts";
import { wakeUps } from "../../../src/simulator/ledger/rules/wake-ups.ts";
import { entry } from "./scene.ts";

const NOTHING = { reply: undefined, duplicate: false, notices: [] };

/** A made-up history of one lock, told to rules 12 to 14 by two sessions, `one` and `two`. */
export class Story {
  readonly one: string;
  readonly two: string;
  readonly #facts: Facts;
  readonly #watchers: readonly Watcher[];
  readonly #broken: Set<number> = new Set();
  #seqno = 0;
  #time = 0;

  constructor(clients?: ClientsEye) {
    this.#facts = new Facts(undefined, clients);
    this.#watchers = [exclusion, tokens, wakeUps].map((rule) =>
      rule.watch(this.#facts, () => this.#broken.add(rule.number)),
    );
    this.one = this.#open();
    this.two = this.#open();
  }

  get broken(): number[] {
    return [...this.#broken];
  }

  /** What the model of the history has to say to a session again. */
  outstanding(session: string): unknown[] {
    return [...this.#facts.locks.outstanding(session)];
  }

  /** By another name than all else, and with more to say. */
  ask(
    session: string,
    name: string,
    xid: number,
    reply: object,
    more: object = {},
    told: readonly Notice[] = [],
  ): void {
    const wish = { name, xid, mode: "exclusive", owner: "", how: "wait", keep: false, ageMs: 0, ...more };
    this.#command(session, "acquire", wish, reply, told);
  }

  askAll(session: string, names: readonly string[], xid: number, reply: object): void {
    const wish = { names, xid, mode: "exclusive", owner: "", how: "wait", keep: false, ageMs: 0 };
    this.#command(session, "acquireAll", wish, reply, []);
  }

  /** Time comes with the next entries. */
  pass(ms: number): void {
    this.#time += ms;
  }

  tick(grants: readonly Notice[] = []): void {
    this.#take({ kind: "tick", session: ORIGIN, number: 0 }, { ...NOTHING, notices: grants });
  }

  /** It fell silent. */
  lose(session: string, grants: readonly Notice[] = []): void {
    const opened = parseSessionId(session) as Viewstamp;
    const fields = { kind: "end", session: opened, number: 0, body: new Uint8Array([1]) } as const;
    this.#take(fields, { ...NOTHING, notices: grants });
  }

  acquire(
    session: string,
    xid: number,
    reply: bigint | "queued" | "unavailable",
    how = "wait",
    mode = "exclusive",
    { keep = 0, told = [] }: { readonly keep?: number; readonly told?: readonly Notice[] } = {},
  ): void {
    const value = typeof reply === "bigint" ? { status: "granted", token: reply, keep } : { status: reply };
    this.#command(session, "acquire", { name: "x", xid, mode, owner: "", how }, value, told);
  }

  /** It may be taken again under nine tokens more. */
  keep(session: string, xid: number, token: bigint, mode = "exclusive"): void {
    this.acquire(session, xid, token, "wait", mode, { keep: 10 });
  }

  settle(
    session: string,
    [xid, token]: readonly [number, bigint],
    uses: readonly (readonly [xid: number, token: bigint, mode: string])[],
    told: readonly Notice[] = [],
    isDone = true,
  ): void {
    const said = uses.map(([xid, token, mode]) => ({ xid, token, mode, ageMs: 0 }));
    this.#command(session, "settle", { name: "x", xid, token, uses: said }, isDone, told);
  }

  refill(session: string, [xid, token]: readonly [number, bigint], first: bigint): void {
    this.#command(session, "refill", { name: "x", xid, token }, { token: first, keep: 10 }, []);
  }

  release(session: string, xid: number, token: bigint, grants: readonly Notice[] = []): void {
    this.#command(session, "release", { name: "x", xid, token }, true, grants);
  }

  cancel(session: string, xid: number, grants: readonly Notice[] = []): void {
    this.#command(session, "cancel", { name: "x", xid }, "held", grants);
  }

  end(session: string, grants: readonly Notice[] = []): void {
    const opened = parseSessionId(session) as Viewstamp;
    this.#take({ kind: "end", session: opened, number: 0 }, { ...NOTHING, notices: grants });
  }

  act(token: bigint): void {
    for (const { acts } of this.#watchers) acts?.(1, "x", token);
  }

  rely(session: string): void {
    for (const { relies } of this.#watchers) relies?.(1, session);
  }

  over(): void {
    for (const { ended } of this.#watchers) ended?.();
  }

  #open(): string {
    this.#take({ kind: "open", session: ORIGIN, number: 0 }, NOTHING);
    return `1.${this.#seqno}`;
  }

  #command(session: string, name: string, input: unknown, value: unknown, notices: readonly Notice[]): void {
    const fields = { session: parseSessionId(session) as Viewstamp, body: encodeCall("locks", name, input) };
    this.#take(fields, { reply: encodeReply({ type: "ok", value }), duplicate: false, notices });
  }

  #take(fields: Parameters<typeof entry>[2], result: Parameters<NonNullable<Watcher["applied"]>>[1]): void {
    const taken = entry(1, ++this.#seqno, { time: this.#time, ...fields });
    const step = this.#facts.locks.take(taken, result);
    for (const { applied } of this.#watchers) applied?.(taken, result, step);
  }
}

export function granted(session: string, xid: number, token: bigint, name = "x"): Notice {
  return { session, body: encodeNotice("locks", { type: "granted", name, xid, token }) };
}

export function revoke(session: string, xid: number, token: bigint, answer = false): Notice {
  return { session, body: encodeNotice("locks", { type: "revoke", name: "x", xid, token, answer }) };
}

export function declined(session: string, xid: number): Notice {
  return { session, body: encodeNotice("locks", { type: "declined", name: "x", xid }) };
}
