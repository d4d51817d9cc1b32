/**
 * What a campaign must have met to mean anything: every kind of fault, and every rare path of the code under test.
 * @module
 */
import { FAULTS } from "../../src/simulator/faults.ts";
import { FOUNDING_FAULTS } from "../../src/simulator/instants.ts";
import { LASTING_FAULTS } from "../../src/simulator/lasting.ts";

const RARE_PATHS: readonly string[] = [
  ...["acceptedValueAdopted", "acceptedValueMet", "activationInterrupted", "admitGivenUp", "campaignAbandoned"],
  ...[
    "conflictDropped",
    "duelOfProposers",
    "executedInEarlierView",
    "learnerJoined",
    "logCompacted",
    "noticesSentAgain",
  ],
  ...["previousMissing", "readWaitsForExecution", "relocated", "repliedAgain", "sessionExpired", "snapshotInstalled"],
  ...["snapshotOffered", "staleTailDropped", "stickyRefusal", "transferResumed"],
  ...["copyBegun", "machineUpgraded"],
];

/** What becomes of copies of the state, and what is made of them. */
const COPIES: readonly string[] = [
  ...["copy taken", "copy interrupted", "copy refused"],
  ...["restored from a copy", "recovered by force"],
];

/** What an operator does to the membership. */
const CHANGES: readonly string[] = ["remove decided", "lift decided", "change refused"];

/** What becomes of locks that clients keep, or ask for in other ways. */
const KEPT_LOCKS: readonly string[] = [
  ...["kept", "revoked", "asked for its use", "settled", "declined after an answer"],
  ...["granted", "revoke"].map((type) => `"${type}" said again`),
  ...["granted in a group", "permit", "delay over", "stolen in use", "refilled"],
].map((what) => `lock ${what}`);

const TROUBLES: readonly string[] = ["frame dropped", "frame reordered", "frame repeated"];

/** Happen in a few hundred seeds already. */
export const FAULT_KINDS: readonly string[] = [
  ...[FAULTS, FOUNDING_FAULTS, LASTING_FAULTS].flatMap((kinds) => Object.keys(kinds)),
  "restarted beside",
  ...TROUBLES,
];

const REQUIRED: readonly string[] = [
  ...FAULT_KINDS,
  ...RARE_PATHS.map((name) => `path ${name}`),
  ...COPIES,
  ...CHANGES,
  ...KEPT_LOCKS,
];

/** Met by one seed in thousands. */
const RAREST: readonly string[] = [
  "path receptionGivenUp",
  'lock "stolen" said again',
  "lock stolen without an answer",
];

/** So many seeds of the usual draw meet everything that is required, and so many the rarest too. */
const ENOUGH_SEEDS = 1000;
const MANY_SEEDS = 20_000;

/** What has not happened in so many seeds, of all that must. */
export function missing(counts: Readonly<Record<string, number>>, seeds: number): string[] {
  const demanded = seeds < ENOUGH_SEEDS ? [] : seeds < MANY_SEEDS ? REQUIRED : [...REQUIRED, ...RAREST];
  return demanded.filter((kind) => (counts[kind] ?? 0) === 0);
}
