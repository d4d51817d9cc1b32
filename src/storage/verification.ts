/**
 * What a start of the node would make of a data directory, and where in its files it would see what.
 * @module
 */
import type { Done, SnapshotInfo } from "../protocol/storage.ts";
import type { ClusterId, Incarnation, Viewstamp } from "../protocol/view.ts";
import type { DiskReader, Got } from "./disk.ts";
import { examine, type Finding } from "./examination.ts";
import { type Inventory, kindOfAside, NOTE_NAME, segmentName, snapshotName } from "./names.ts";
import { isOfMember } from "./remembered.ts";
import { readSegmentHead } from "./segment.ts";
import { infoOf } from "./snapshot-reader.ts";
import { inTurn, then } from "./steps.ts";
import { type Piece, type Surveyed, survey } from "./survey.ts";

/** Bytes of a file that are not a part of the data. */
export interface Fault {
  readonly offset: number;
  readonly bytes: number;
  /** `torn`: a write never acknowledged. `unused`: of no use any more, as behind the place where the next segment begins. */
  readonly what: "torn" | "damaged" | "unused";
  readonly why: string;
}

export interface FileReport {
  readonly name: string;
  readonly bytes: number;
  readonly state:
    | "sound"
    /** Its end would be cut. */
    | "torn"
    | "damaged"
    /** Not needed any more: it would be removed. */
    | "left over"
    /** It was set aside: no longer read, never removed. */
    | "set aside"
    /** Not a file of this library. */
    | "foreign";
  /** Whole blocks. */
  readonly blocks: number;
  readonly records: number;
  /** Entries in those records; some may be dropped by later records. */
  readonly entries: number;
  readonly faults: readonly Fault[];
}

/** What sound data says. */
export interface Summary {
  readonly incarnation: Incarnation | undefined;
  readonly clusterId: ClusterId | undefined;
  readonly vid: number;
  /** The node is a member of that view: whatever was committed before it is here. */
  readonly isMember: boolean;
  /** The log holds the entries after `base` through `end`. */
  readonly base: Viewstamp;
  readonly end: Viewstamp;
  readonly snapshot: SnapshotInfo | undefined;
}

export interface Verification {
  readonly verdict:
    | "sound"
    /** Sound, but for a last write that was never acknowledged. */
    | "torn"
    /** The whole data would be set aside. */
    | "damaged"
    /** Data was set aside here, and the node has not been caught up since. */
    | "aside"
    /** No data. */
    | "empty";
  readonly reason: string;
  readonly summary: Summary | undefined;
  readonly files: readonly FileReport[];
}

export type PieceVisitor = (file: string, piece: Piece) => void;

/** Reads everything, changes nothing; `visit` sees each piece of each file. */
export function verify(disk: DiskReader, visit: PieceVisitor, done: Got<Verification>): void {
  const failed: Done = (error) => done(error, undefined);
  examine(
    disk,
    { keepsEntries: false },
    then(failed, (finding) => {
      limitsOf(disk, finding.inventory, (limits) => {
        const files: FileReport[] = [];
        const names = [...finding.files.bytesOf].sort(([a], [b]) => (a < b ? -1 : 1));
        const steps = names.map(([name, bytes]) => (next: Done) => {
          const file = { name, bytes, limit: limits.get(name) };
          inspect(disk, file, finding, visit, (error, report) => {
            if (report !== undefined) files.push(report);
            next(error);
          });
        });
        inTurn(steps, (error) => {
          if (error === undefined) done(undefined, conclude(finding, files));
          else failed(error);
        });
      });
    }),
  );
}

/** Where each segment ends for the one after it. Heads that cannot be read limit nothing. */
function limitsOf(
  disk: DiskReader,
  { segments, bytesOf }: Inventory,
  done: (limits: Map<string, number>) => void,
): void {
  const limits = new Map<string, number>();
  const steps = segments.slice(1).map((number) => (next: Done) => {
    readSegmentHead(disk, number, bytesOf.get(segmentName(number)) ?? 0, (_, head) => {
      if (head !== undefined) limits.set(segmentName(number - 1), head.checkpoint.previousBytes);
      next(undefined);
    });
  });
  inTurn(steps, () => done(limits));
}

interface Inspected {
  readonly name: string;
  readonly bytes: number;
  readonly limit: number | undefined;
}

function inspect(
  disk: DiskReader,
  file: Inspected,
  finding: Finding,
  visit: PieceVisitor,
  done: Got<FileReport>,
): void {
  const { name, bytes } = file;
  const use = useOf(name, finding);
  if (use.kind === undefined) {
    return done(undefined, { name, bytes, state: use.state, blocks: 0, records: 0, entries: 0, faults: [] });
  }
  const tally = new Tally();
  const see = (piece: Piece): void => {
    tally.add(piece);
    visit(name, piece);
  };
  const surveyed: Surveyed = { name, bytes, kind: use.kind };
  survey(disk, surveyed, see, (error) => done(error, error === undefined ? tally.report(file, use) : undefined));
}

interface Use {
  readonly kind: Surveyed["kind"] | undefined;
  /** If its bytes are sound. */
  readonly state: FileReport["state"];
  /** A torn end is expected in the last segment only. */
  readonly isLast: boolean;
}

function useOf(name: string, { inventory, files, note, verdict }: Finding): Use {
  const named = (numbers: readonly number[], nameOf: (number: number) => string) => numbers.map(nameOf).includes(name);
  const last = inventory.segments.at(-1);
  const isLast = last !== undefined && name === segmentName(last);
  if (named(inventory.segments, segmentName)) return { kind: "log", state: "sound", isLast };
  if (named(inventory.strays, segmentName)) return { kind: "log", state: "left over", isLast };
  if (named(inventory.snapshots, snapshotName)) {
    const newest = verdict.type === "sound" ? verdict.replayed.remembered.facts.snapshot?.number : undefined;
    const isNeedless = verdict.type === "sound" && (newest === undefined || name !== snapshotName(newest));
    return { kind: "snapshot", state: isNeedless ? "left over" : "sound", isLast };
  }
  if (files.hasNote && name === NOTE_NAME) return { kind: "note", state: "sound", isLast };
  const aside = kindOfAside(name);
  if (aside !== undefined) return { kind: aside, state: "set aside", isLast };
  // Not in the inventory, though named like data: the note sets it aside, and a crash came before it was renamed.
  if (note !== undefined && named([...files.strays, ...files.segments], segmentName))
    return { kind: "log", state: "set aside", isLast };
  if (note !== undefined && named(files.snapshots, snapshotName))
    return { kind: "snapshot", state: "set aside", isLast };
  return { kind: undefined, state: files.temporary.includes(name) ? "left over" : "foreign", isLast };
}

/** Counts what a file holds, and keeps what is wrong with it. */
class Tally {
  #blocks = 0;
  #records = 0;
  #entries = 0;
  #highestMark = 0;
  readonly #bad: { readonly offset: number; readonly bytes: number; readonly why: string; isUnreadable: boolean }[] =
    [];

  add({ offset, bytes, content }: Piece): void {
    if (content.type === "bad" || content.type === "unreadable") {
      this.#bad.push({ offset, bytes, why: content.why, isUnreadable: content.type === "unreadable" });
      return;
    }
    this.#blocks++;
    if (content.type === "checkpoint") return;
    this.#highestMark = Math.max(this.#highestMark, content.mark);
    this.#records += content.records.length;
    for (const record of content.records) if (record.kind === "append") this.#entries += record.entries.length;
  }

  report({ name, bytes, limit }: Inspected, { state, isLast }: Use): FileReport {
    const faults = this.#bad.map(({ isUnreadable, ...bad }): Fault => {
      if (state === "left over" || (limit !== undefined && bad.offset >= limit)) return { ...bad, what: "unused" };
      return {
        ...bad,
        what: isLast && !isUnreadable && bad.offset > 0 && this.#highestMark <= bad.offset ? "torn" : "damaged",
      };
    });
    const has = (what: Fault["what"]): boolean => faults.some((fault) => fault.what === what);
    const sound = has("torn") ? "torn" : "sound";
    const own = has("damaged") ? "damaged" : sound;
    const [blocks, records, entries] = [this.#blocks, this.#records, this.#entries];
    return { name, bytes, state: state === "sound" ? own : state, blocks, records, entries, faults };
  }
}

function conclude(finding: Finding, files: readonly FileReport[]): Verification {
  const { verdict, note } = finding;
  if (verdict.type === "damaged") return { verdict: "damaged", reason: verdict.reason, summary: undefined, files };
  const summary = verdict.type === "sound" ? summaryOf(finding) : undefined;
  if (note !== undefined && !hasBegun(finding)) return { verdict: "aside", reason: note.reason, summary, files };
  if (verdict.type === "empty") return { verdict: "empty", reason: "there is no data", summary, files };
  const { last, end } = verdict.replayed;
  const excess = (finding.inventory.bytesOf.get(last.name) ?? 0) - end;
  if (excess === 0) return { verdict: "sound", reason: "everything is as it was written", summary, files };
  return { verdict: "torn", reason: `${last.name} would be cut at byte ${end}, ${excess} bytes`, summary, files };
}

function hasBegun({ verdict }: Finding): boolean {
  return verdict.type === "sound" && verdict.replayed.remembered.hasBegun(verdict.snapshot !== undefined);
}

function summaryOf({ verdict }: Finding): Summary | undefined {
  if (verdict.type !== "sound") return undefined;
  const { replayed, snapshot } = verdict;
  const { remembered } = replayed;
  const { facts } = remembered;
  // A snapshot that was to replace the log counts as the log's beginning, also before the record that says so.
  const replacedAt = snapshot !== undefined && remembered.isReplacedBy(snapshot.note.at) ? snapshot.note.at : undefined;
  return {
    incarnation: facts.identity?.incarnation,
    clusterId: facts.identity?.clusterId,
    vid: facts.view?.vid ?? 0,
    isMember: isOfMember(facts),
    base: replacedAt ?? remembered.base,
    end: replacedAt ?? remembered.end,
    snapshot: snapshot === undefined ? undefined : infoOf(snapshot),
  };
}
