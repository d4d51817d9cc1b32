/**
 * An operator's changes of membership, one at a time: answered once a view with the change is decided.
 * @module
 */
import type { MembershipChange } from "../config/next-view.ts";
import type { ClientMessage } from "../protocol/client-messages.ts";
import { findById, type View } from "../protocol/view.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

type Change = Extract<ClientMessage, { type: "change" }>;

interface Pending {
  readonly client: number;
  readonly xid: number;
  readonly change: MembershipChange;
  readonly since: number;
}

export class Changes {
  readonly #replica: ReplicatedLog;
  #pending: Pending | undefined;

  constructor(replica: ReplicatedLog) {
    this.#replica = replica;
  }

  onChange(client: number, message: Change, now: number): void {
    const { config, output, options } = this.#replica;
    const view = config.view as View;
    const change = changeOf(message);
    if (isDone(view, change)) {
      output.answer(client, { type: "changed", xid: message.xid, vid: view.vid }, config.viewWrite);
      return;
    }
    const fault = faultOf(view, change, options.minCopies) ?? this.#faultOfRest(view, change, now);
    if (fault !== undefined) return this.#decline(client, message.xid, "INVALID", fault, false);
    if (this.#pending !== undefined) {
      return this.#decline(client, message.xid, "BUSY", "another change is under way", false);
    }
    this.#pending = { client, xid: message.xid, change, since: now };
    config.change(change, now);
    return undefined;
  }

  onView(view: View): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    if (isDone(view, pending.change)) {
      this.#replica.output.answer(
        pending.client,
        { type: "changed", xid: pending.xid, vid: view.vid },
        this.#replica.config.viewWrite,
      );
    } else {
      this.#decline(pending.client, pending.xid, "BUSY", "another view was decided first", false);
    }
  }

  tick(now: number): void {
    const pending = this.#pending;
    if (pending === undefined || now - pending.since < 4 * this.#replica.options.suspectMs) return;
    this.#pending = undefined;
    this.#replica.config.cancelChange(now);
    this.#decline(pending.client, pending.xid, "BUSY", "no view with this change was decided in time", true);
  }

  clientGone(client: number): void {
    if (this.#pending?.client === client) this.#pending = { ...this.#pending, client: -1 };
  }

  /** The view without the node could be decided with its vote, and be the last one: without it nobody could let it back. */
  #faultOfRest({ acceptors }: View, { action, id }: MembershipChange, now: number): string | undefined {
    const { suspicions } = this.#replica.config;
    const rest = acceptors.filter((acceptor) => acceptor.id !== id);
    if (action !== "remove" || suspicions.hearsMajorityOf(rest, now)) return undefined;
    const silent = rest.filter((acceptor) => !suspicions.hears(acceptor, now)).map((acceptor) => acceptor.id);
    return `without ${id} no majority of those left would be up: first start or remove ${silent.join(" ")}`;
  }

  #decline(client: number, xid: number, code: "BUSY" | "INVALID", text: string, outcomeUnknown: boolean): undefined {
    this.#replica.output.answer(client, { type: "declined", xid, code, outcomeUnknown, text });
  }
}

function changeOf({ action, id, url }: Change): MembershipChange {
  return action === "add" ? { action, id, url } : { action, id };
}

function isDone(view: View, change: MembershipChange): boolean {
  const isPart = findById(view.acceptors, change.id) !== undefined;
  switch (change.action) {
    case "add":
      return isPart || findById(view.invited, change.id)?.url === change.url;
    case "remove":
      return !isPart && view.barred.includes(change.id);
    case "lift":
      return !view.barred.includes(change.id);
  }
}

function faultOf(view: View, change: MembershipChange, minCopies: number): string | undefined {
  if (change.action === "add" && view.barred.includes(change.id)) return `${change.id} was removed: lift it first`;
  if (change.action !== "remove") return undefined;
  const left = view.members.filter((member) => member.id !== change.id).length;
  return left < minCopies ? `without ${change.id} there would be fewer than ${minCopies} copies` : undefined;
}
