/**
 * `viewstamp recover DIR --force`: a new cluster from the data of one surviving replica.
 * @module
 */
import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { AnyMachine } from "../../machine/definition.ts";
import { replicated } from "../../machine/replicated.ts";
import { ViewstampError } from "../../protocol/errors.ts";
import type { Member, Viewstamp } from "../../protocol/view.ts";
import { clusterOfRemains, DEFAULT_SKIP, type NewCluster } from "../../replica/new-cluster.ts";
import { asStorageError, Damage } from "../../storage/faults.ts";
import { fileDisk } from "../../storage/file-disk.ts";
import { holderOf } from "../../storage/file-lock.ts";
import { asideName, keptBeforeRecovery } from "../../storage/names.ts";
import { isOfMember } from "../../storage/remembered.ts";
import { type Salvaged, salvage } from "../../storage/salvage.ts";
import type { Arguments } from "./arguments.ts";
import { builtInMachines } from "./built-in.ts";
import { checkedAddress } from "./cluster-list.ts";
import type { Command } from "./command.ts";
import { exitCode, UsageError } from "./exit-codes.ts";
import { interruptible } from "./interruption.ts";
import { existingDirectory } from "./log.ts";
import { placeOf } from "./log-report.ts";
import { checkPlaces, newClusterId, newIncarnation, replaceData } from "./new-data.ts";
import { got } from "./promised.ts";
import type { Terminal } from "./terminal.ts";

export const recover: Command = {
  name: "recover",
  summary: "Make a new cluster from the data of one surviving replica, when no majority will ever come back",
  positionals: ["DIR"],
  options: {
    force: { type: "boolean", help: "do it; without this it says what may be lost, and changes nothing" },
    id: { type: "string", value: "ID", help: "the node's name (default: as the data says)" },
    url: { type: "string", value: "URL", help: "the node's address (default: as the data says)" },
    skip: { type: "string", value: "N", help: `go on N places later (default ${DEFAULT_SKIP})` },
    json: { type: "boolean", help: "as one JSON object" },
  },
  details: [
    "For the case that too many nodes are lost for ever, or that no node has healthy data. Stop all nodes first. Look at",
    "every copy with this command (without --force), and take a member's, of the newest view, and of several such the one",
    "that reaches furthest: first the view of its last place counts, then the number.",
    "What another node acknowledged and this one does not hold is lost; what was never acknowledged may come to count.",
    "The new cluster has an id of its own: nodes and clients of the old one are refused. It has one member; start the",
    "others with empty directories and the same --cluster, and they are caught up. Until one of them is, a cluster that",
    "wants two copies takes no requests.",
    "So that no fencing token is given twice, it goes on N places later. Data without a snapshot that was written by a",
    "program with machines of its own needs --skip 0; tokens that were issued and lost may then be given again. If it has a",
    "snapshot, what came after that is executed anew, at later places: should a machine make something of its places, give",
    "--skip 0 too.",
    "The old data stays as DIR.before-recovery. Exit codes: 0 done; 1 refused without --force; 6 the data is damaged",
    "beyond use.",
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  // Where a link leads: the new data belongs on the same disk.
  const directory = await realpath(await placeOfData(args.positionals[0]!));
  const holder = await got<string | undefined>((held) => holderOf(directory, held));
  if (holder !== undefined) throw new ViewstampError("DataInUse", `${directory} is in use by ${holder}: stop it first`);
  const skip = args.number("skip", DEFAULT_SKIP);
  if (!Number.isInteger(skip)) throw new UsageError("--skip must be a whole number");
  const found = await got<Salvaged>((read) => salvage(fileDisk(directory), read)).catch((error: unknown) => {
    if (!(error instanceof Damage)) throw asStorageError(error, directory);
    terminal.message(`viewstamp: nothing can be recovered from ${directory}: ${error.message}`);
    return undefined;
  });
  if (found === undefined) return exitCode.damaged;
  checkPlaces(found.entries.at(-1)?.seqno ?? found.base.seqno, skip);
  for (const line of whatMayBeLost(found)) terminal.message(line);
  if (!args.has("force")) {
    if (args.has("json")) terminal.data(JSON.stringify(foundIn(found)));
    terminal.message("viewstamp: nothing was changed; --force makes a new cluster of this");
    return exitCode.failed;
  }
  const member = memberOf(found, args);
  const kept = keptBeforeRecovery(directory);
  if (existsSync(kept)) throw new ViewstampError("InvalidInput", `${kept} is there already: move it away first`);
  const machine = replicated(machinesOf(found));
  const cluster = await got<Made>((made) =>
    clusterOfRemains({ clusterId: newClusterId(), found, member, skip, machine }, made),
  );
  if (cluster.isStampedAnew) terminal.message(STAMPED_ANEW);
  await interruptible((interrupted) => replaceData(directory, kept, cluster, member, interrupted));
  const { clusterId } = cluster;
  if (args.has("json")) terminal.data(JSON.stringify({ clusterId, member, kept, ...foundIn(found) }));
  else terminal.data(`cluster ${clusterId}, with ${member.id} at ${member.url}; the old data is in ${kept}`);
  terminal.message(WHAT_NEXT);
  return exitCode.ok;
}

/** @throws {UsageError} if nothing is there */
async function placeOfData(directory: string): Promise<string> {
  const kept = keptBeforeRecovery(resolve(directory));
  if (existsSync(directory) || !existsSync(kept)) return await existingDirectory(directory);
  throw new UsageError(
    `there is no directory ${directory}, but what an interrupted recovery has left: rename ${kept} to ${directory}, ` +
      "and begin again",
  );
}

type Made = NewCluster & { readonly isStampedAnew: boolean };

const STAMPED_ANEW =
  "viewstamp: this program does not have the machines of the data: what came after its snapshot will be executed anew at " +
  "later places. If a machine makes something of its places (versions, tokens), what comes out may differ: see --skip 0";

const WHAT_NEXT =
  "viewstamp: start this node, and the others with empty directories: a cluster of several takes requests once one of them " +
  "has been caught up";

/** Those of this program that the data is of; a program of its own may have had some of them only. */
function machinesOf({ facts }: Salvaged): readonly AnyMachine[] {
  const names = (facts.machines?.origin ?? []).map(({ name }) => name);
  const known = builtInMachines.filter(({ name }) => names.includes(name));
  return known.length === names.length && known.length > 0 ? known : builtInMachines;
}

/** The same node in the new cluster. @throws {UsageError} if the data does not know it */
function memberOf({ facts }: Salvaged, args: Arguments): Member {
  const known = [...(facts.view?.members ?? []), ...(facts.view?.acceptors ?? [])];
  const self = known.find(({ incarnation }) => incarnation === facts.identity?.incarnation);
  if (self === undefined && !(args.has("id") && args.has("url")))
    throw new UsageError("the data does not say which node it belongs to: give --id and --url");
  const id = args.text("id", self?.id);
  const knownUrl = known.find((one) => one.id === id)?.url;
  return { id, incarnation: newIncarnation(), url: checkedAddress(args.text("url", knownUrl), "--url") };
}

/** What is to be known of one copy, to compare it with others. */
interface Found {
  /** The cluster whose data it is. */
  readonly of: string | null;
  /** The newest view known here. */
  readonly vid: number;
  readonly members: readonly string[];
  /** The node is a member of that view: it held whatever was committed before it. */
  readonly isMember: boolean;
  /** The last entry that is kept. */
  readonly through: Viewstamp;
  readonly damage: string | null;
  readonly wasAside: boolean;
  /** The number in the names of its files, `aside-N-`. */
  readonly aside: number | null;
  readonly others: readonly {
    readonly aside: number | null;
    readonly vid: number;
    readonly through: Viewstamp | null;
  }[];
}

function foundIn({ facts, base, entries, damage, aside, others }: Salvaged): Found {
  const { view, identity } = facts;
  return {
    of: identity?.clusterId ?? null,
    vid: view?.vid ?? 0,
    members: view?.members.map(({ id }) => id) ?? [],
    isMember: isOfMember(facts),
    through: placeIn(entries.at(-1) ?? base),
    damage: damage ?? null,
    wasAside: aside !== undefined,
    aside: aside ?? null,
    others: others.map((other) => ({ aside: other.aside ?? null, vid: other.vid, through: other.through ?? null })),
  };
}

function placeIn({ vid, seqno }: Viewstamp): Viewstamp {
  return { vid, seqno };
}

function filesOf(aside: number | null): string {
  return aside === null ? "what was written since" : `${asideName("", aside)}*`;
}

function whatMayBeLost(found: Salvaged): string[] {
  const { of, vid, members, isMember, through: last, aside, others } = foundIn(found);
  const { damage } = found;
  return [
    `cluster ${of ?? "not known"}: the newest view known here is ${vid}, members ${members.join(" ") || "none"}`,
    ...(aside === null ? [] : [`the data was set aside, and is read from there: ${filesOf(aside)}`]),
    ...others.map(
      (other) =>
        `not taken: ${filesOf(other.aside)}: ` +
        (other.through === null
          ? "nothing can be read"
          : `view ${other.vid}, everything through ${placeOf(other.through)}`),
    ),
    ...(damage === undefined ? [] : [`damaged: ${damage}; what came after ${placeOf(last)} in this copy is lost`]),
    `kept: everything through ${placeOf(last)}, also what was never acknowledged`,
    isMember && damage === undefined
      ? `may be lost: what was acknowledged in views later than ${vid}, if there were any`
      : `may be lost: whatever was acknowledged after ${placeOf(last)}; this copy is not that of a member with all its log`,
  ];
}
