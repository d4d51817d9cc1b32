/**
 * The records of a log as `viewstamp log dump` prints them.
 * @module
 */
import type { Ballot } from "../../protocol/ballot.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { MachineVersion } from "../../protocol/machine.ts";
import type { View } from "../../protocol/view.ts";
import type { LogRecord } from "../../storage/records.ts";
import type { Piece } from "../../storage/survey.ts";
import { placeOf } from "./log-report.ts";

/** A line for each record, and one for each entry of an append. */
export function dumpLines(file: string, { offset, bytes, content }: Piece): string[] {
  const at = `${file} ${offset}`;
  switch (content.type) {
    case "bad":
      return [`${at} ${bytes} bytes that are no block: ${content.why}`];
    case "unreadable":
      return [`${at} ${bytes} bytes at or behind a place that cannot be read: ${content.why}`];
    case "checkpoint": {
      const { base, runs, facts } = content.checkpoint;
      const end = runs.at(-1);
      const log =
        end === undefined
          ? `no entries after ${placeOf(base)}`
          : `log after ${placeOf(base)} to ${end.vid}.${end.lastSeqno}`;
      return [`${at} checkpoint: view ${facts.view?.vid ?? 0}, ${log}`];
    }
    case "block":
      if (!isLog(file)) return [`${at} chunk of ${bytes} bytes`];
      if (content.records.length === 0) return [`${at} mark ${content.mark}`];
      return content.records.flatMap((record) => linesOf(record).map((line) => `${at} ${line}`));
  }
}

function isLog(file: string): boolean {
  return /^(aside-\d+-)?log-/.test(file);
}

function linesOf(record: LogRecord): string[] {
  switch (record.kind) {
    case "identity":
      return [`identity: incarnation ${record.incarnation}, cluster ${record.clusterId ?? "not known yet"}`];
    case "machines": {
      const { origin, promised } = record;
      return [`machines: begun with ${textOfVersions(origin)}, promised to run ${textOfVersions(promised)}`];
    }
    case "view":
      return [`view ${textOfView(record.view)}`];
    case "promised":
      return [`promised in instance ${record.instance}: ballot ${textOfBallot(record.ballot)}`];
    case "accepted": {
      const { ballot, value } = record.accepted;
      return [`accepted in instance ${record.instance}: ballot ${textOfBallot(ballot)}, view ${textOfView(value)}`];
    }
    case "level":
      return [`promised to be level through ${placeOf(record.through)} in view ${record.vid}`];
    case "append":
      return record.entries.map(textOfEntry);
    case "truncate":
      return [`entries after ${record.seqno} are dropped`];
    case "base":
      return [`the log begins after ${placeOf(record.at)}`];
    case "snapshot": {
      const { number, at, chunks, bytes } = record.note;
      return [`snapshot ${number} at ${placeOf(at)}: ${chunks} chunks, ${bytes} bytes`];
    }
    case "seal":
      return [`sealed: goes on in segment ${record.next}`];
  }
}

function textOfVersions(versions: readonly MachineVersion[]): string {
  return versions.map(({ name, version }) => `${name} ${version}`).join(", ") || "none";
}

function textOfView({ vid, members, acceptors, barred, invited, primary }: View): string {
  const list = (what: string, ids: readonly string[]): string => (ids.length > 0 ? `, ${what} ${ids.join(" ")}` : "");
  const ids = (some: readonly { readonly id: string }[]): string[] => some.map(({ id }) => id);
  const rest = `${list("acceptors", ids(acceptors))}${list("barred", barred)}${list("invited", ids(invited))}`;
  return `${vid}: members ${ids(members).join(" ")}, primary ${primary}${rest}`;
}

function textOfBallot({ round, node }: Ballot): string {
  return `${round}.${node}`;
}

function textOfEntry({ kind, vid, seqno, time, session, number, body }: Entry): string {
  const whose = session.seqno > 0 ? ` of session ${placeOf(session)}` : "";
  const which = number > 0 ? ` number ${number}` : "";
  return `entry ${vid}.${seqno}: ${kind}${whose}${which}, time ${time}, ${body.length} bytes`;
}

/** Plain data for each record. */
export function dumpObjects(file: string, { offset, bytes, content }: Piece): unknown[] {
  switch (content.type) {
    case "bad":
    case "unreadable":
      return [{ file, offset, kind: content.type, bytes, why: content.why }];
    case "checkpoint":
      return [{ file, offset, kind: "checkpoint", ...content.checkpoint }];
    case "block":
      if (!isLog(file)) return [{ file, offset, kind: "chunk", bytes }];
      if (content.records.length === 0) return [{ file, offset, kind: "mark", mark: content.mark }];
      return content.records.flatMap((record) => objectsOf(record).map((one) => ({ file, offset, ...one })));
  }
}

function objectsOf(record: LogRecord): object[] {
  if (record.kind !== "append") return [record];
  return record.entries.map(({ bytes: _, body, kind, ...entry }) => {
    return { kind: "entry", what: kind, ...entry, body: Buffer.from(body).toString("base64") };
  });
}
