/**
 * What `viewstamp log verify` says.
 * @module
 */
import type { Viewstamp } from "../../protocol/view.ts";
import type { Piece } from "../../storage/survey.ts";
import type { FileReport, Summary, Verification } from "../../storage/verification.ts";
import { columns } from "./table.ts";
import type { Style } from "./terminal.ts";

export function verificationLines(directory: string, verification: Verification, style: Style): string[] {
  const { files, summary } = verification;
  const [header = "", ...rows] = columns([
    ["FILE", "BYTES", "STATE", "BLOCKS", "RECORDS", "ENTRIES"],
    ...files.map(({ name, bytes, state, blocks, records, entries }) => [
      name,
      ...[bytes, state, blocks, records, entries].map(String),
    ]),
  ]);
  return [
    ...(files.length > 0 ? [style.dim(header), ...rows] : []),
    ...files.flatMap(faultLines),
    ...(files.length > 0 ? [""] : []),
    ...(summary === undefined ? [] : [summaryLine(summary)]),
    ...verdictLines(directory, verification, style),
  ];
}

function faultLines({ name, faults }: FileReport): string[] {
  return faults.map(({ offset, bytes, what, why }) => `${name}: bytes ${offset} to ${offset + bytes} ${what}: ${why}`);
}

function summaryLine({ clusterId, incarnation, vid, base, end, snapshot }: Summary): string {
  const saved = snapshot === undefined ? "no snapshot" : `snapshot at ${placeOf(snapshot.at)}`;
  const log =
    end.seqno === base.seqno ? `no entries after ${placeOf(base)}` : `log ${base.seqno + 1} to ${placeOf(end)}`;
  return `cluster ${clusterId ?? "not known yet"}, incarnation ${incarnation ?? "none"}, view ${vid}, ${log}, ${saved}`;
}

function verdictLines(directory: string, verification: Verification, style: Style): string[] {
  const { verdict, reason } = verification;
  switch (verdict) {
    case "sound":
      return [...asideLines(verification), `${directory}: ${style.green("sound")}: ${reason}`];
    case "torn":
      return [
        ...asideLines(verification),
        `${directory}: ${style.green("sound")}, with a torn end: ${reason} that were never acknowledged`,
      ];
    case "empty":
      return [`${directory}: ${style.yellow("empty")}: ${reason}`];
    case "damaged":
      return [
        `${directory}: ${style.red("damaged")}: ${reason}`,
        "A node that starts with it sets all of it aside, and is caught up by the others as a new incarnation.",
        `If no node has healthy data any more: viewstamp recover ${directory} says what this copy still holds.`,
      ];
    case "aside":
      return [
        `${directory}: ${style.red("set aside")}: ${reason}`,
        "The node has not been caught up since: it waits for one that has a copy. Files set aside are never removed.",
        `If no node has healthy data any more: viewstamp recover ${directory} says what they still hold.`,
      ];
  }
}

/** A node that is no member may have been caught up in part only. */
function asideLines({ files, summary }: Verification): string[] {
  const aside = files.filter(({ state }) => state === "set aside");
  if (aside.length === 0) return [];
  const bytes = aside.reduce((sum, file) => sum + file.bytes, 0);
  const what = `${aside.length} files set aside earlier (${bytes} bytes)`;
  return summary?.isMember === true
    ? [`${what} are not needed by this node: they may be deleted`]
    : [`${what}: keep them, for this node is not a member yet of a view that it knows`];
}

export function placeOf({ vid, seqno }: Viewstamp): string {
  return `${vid}.${seqno}`;
}

/** One piece of a file, for `--blocks`. */
export function blockLine(file: string, { offset, bytes, content }: Piece): string {
  const where = `${file} ${offset} +${bytes}`;
  if (content.type === "bad") return `${where} no block: ${content.why}`;
  if (content.type === "unreadable") return `${where} unreadable: ${content.why}`;
  if (content.type === "checkpoint") return `${where} checkpoint`;
  const counts = new Map<string, number>();
  for (const { kind } of content.records) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const held = [...counts].map(([kind, count]) => `${kind} ${count}`).join(", ");
  return `${where} mark ${content.mark}${held === "" ? "" : ` ${held}`}`;
}

export function blockObject(file: string, { offset, bytes, content }: Piece): unknown {
  const { type } = content;
  if (type !== "block") return { file, offset, bytes, type };
  return { file, offset, bytes, type, mark: content.mark, records: content.records.map(({ kind }) => kind) };
}
