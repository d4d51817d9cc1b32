/**
 * What happens to a node, for `serve` and `dev`: as one JSON line each, or as a line that a person reads.
 * @module
 */

import { versionsText } from "../../protocol/machine-versions.ts";
import type { NodeId } from "../../protocol/view.ts";
import type { ReplicaEvent } from "../../replica/contract.ts";
import type { Style, Terminal } from "./terminal.ts";

/** One line of `serve --json`. `event` says which; a view's members are their ids. */
export type Fact = Readonly<Record<string, unknown>> & { readonly event: string; readonly id: NodeId };

/** An observer that tells all that happens. Why a node did not start is the command's own error, and not told twice. */
export function teller(id: NodeId, json: boolean, terminal: Terminal): (event: ReplicaEvent) => void {
  if (json) return (event) => terminal.data(JSON.stringify(factOf(id, event)));
  let hasListened = false;
  return (event) => {
    if (event.event === "listening") hasListened = true;
    const story = hasListened || event.event !== "stopped" ? storyOf(event, terminal.messageStyle) : undefined;
    if (story !== undefined) tellStory(id, story, terminal);
  };
}

/** A line of a node's story, with the time. */
export function tellStory(id: NodeId, story: string, { message, messageStyle }: Terminal): void {
  message(`${messageStyle.dim(new Date().toISOString().slice(11, 23))} ${id} ${story}`);
}

/** Plain data with ids instead of whole members: what a person or a test waits for. */
export function factOf(id: NodeId, event: ReplicaEvent): Fact {
  switch (event.event) {
    case "view": {
      const { vid, members, acceptors, primary, barred } = event.view;
      return { event: "view", id, vid, members: idsOf(members), primary, acceptors: idsOf(acceptors), barred };
    }
    case "suspected":
      return { event: "suspected", id, node: event.id, reason: event.reason };
    case "stopped":
      return event.error === undefined ? { event: "stopped", id } : { event: "stopped", id, error: event.error };
    default:
      return { ...event, id };
  }
}

/** `undefined` for what only programs care about. */
export function storyOf(event: ReplicaEvent, style: Style): string | undefined {
  switch (event.event) {
    case "listening":
      return `listening at ${event.url}`;
    case "view":
      return `view ${event.view.vid}: members ${idsOf(event.view.members).join(" ")}, primary ${event.view.primary}`;
    case "active":
      return style.green(`primary, taking requests in view ${event.vid}`);
    case "following":
      return style.green(`backup in view ${event.vid}, level with its primary`);
    case "joining":
      return `not a member of view ${event.vid}, asking to join`;
    case "removed":
      return style.yellow(`removed from view ${event.vid}`);
    case "upgraded":
      return `after the upgrade: runs ${versionsText(event.machines)}`;
    case "tooOld":
      return style.red(event.text);
    case "suspected":
      return style.yellow(`suspects ${event.id}: ${event.reason}`);
    case "rejected":
      return style.red(
        event.by === "us" ? `refuses ${event.who}: ${event.text}` : `refused by ${event.who}: ${event.text}`,
      );
    case "cutOff":
      return style.yellow(`cut off ${event.who}: ${event.reason}`);
    case "setAside":
      return style.red(`set its data aside: ${event.reason}`);
    case "warning":
      return style.yellow(event.text);
    case "stopped":
      return event.error === undefined ? "stopped" : style.red(`stopped: ${event.error.text}`);
    case "path":
      return undefined;
  }
}

function idsOf(members: readonly { readonly id: NodeId }[]): NodeId[] {
  return members.map(({ id }) => id);
}
