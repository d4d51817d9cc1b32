/**
 * What the machines of this example do: guests take the seats of a theatre, and wait in line when all are taken.
 */
import type { StateRestoration } from "viewstamp";

export const SEATS = 4;
const HOLD_MS = 500;

export interface Theatre {
  readonly free: number[];
  /** Who has which seat, and until when. */
  readonly taken: Map<number, { readonly guest: number; readonly until: number }>;
  /** First come, first served: by guest, with the moment they came. */
  readonly line: Map<number, number>;
}

/** The theatre before anybody comes. */
export function empty(): Theatre {
  return { free: Array.from({ length: SEATS }, (_, index) => index + 1), taken: new Map(), line: new Map() };
}

/** Gives the guest's seat, or nothing: then the guest waits in line. */
export function take(theatre: Theatre, guest: number, now: number): number | undefined {
  const { free, taken, line } = theatre;
  for (const [seat, { until }] of taken) if (until <= now) giveBack(theatre, seat, now);
  const own = seatOf(theatre, guest);
  if (own !== undefined) return own;
  const seat = free.shift();
  if (seat === undefined) line.set(guest, now);
  else taken.set(seat, { guest, until: now + HOLD_MS });
  return seat;
}

export function giveBack({ free, taken, line }: Theatre, seat: number, now: number): void {
  const [next] = line.keys();
  if (next === undefined) {
    taken.delete(seat);
    free.push(seat);
    return;
  }
  line.delete(next);
  taken.set(seat, { guest: next, until: now + HOLD_MS });
}

export function seatOf({ taken }: Theatre, guest: number): number | undefined {
  return [...taken].find(([, one]) => one.guest === guest)?.[0];
}

/** A bug: the snapshot makes the line an object with numbers for keys, and JavaScript puts those in order. */
export function snapshot({ free, taken, line }: Theatre): Iterator<unknown> {
  return [{ free: [...free], taken: new Map(taken), line: Object.fromEntries(line) }].values();
}

export function restore(): StateRestoration<Theatre> {
  let theatre = empty();
  return {
    chunk: (value) => {
      const { free, taken, line } = value as Omit<Theatre, "line"> & { readonly line: Record<string, number> };
      theatre = { free, taken, line: new Map(Object.entries(line).map(([guest, since]) => [Number(guest), since])) };
    },
    finish: () => theatre,
  };
}
