/**
 * Test your own machine where everything fails: a cluster with its network, disks, clocks and clients in one process, all
 * chance from one seed.
 *
 * @example
 * ```ts
 * import { simulate } from "viewstamp/simulator";
 *
 * const report = await simulate({
 *   machine: stock,
 *   workload: ({ client, random }) => client.add({ sku: "bolt", by: random.integer(1, 5) }),
 * });
 * if (!report.ok) throw new Error(report.text);
 * ```
 * @module
 */

export type {
  Caller,
  CallsOf,
  ClientMembers,
  CommandCaller,
  MachineClient,
  MachinesClient,
  QueryCaller,
} from "../client/connect.ts";
export type { CallOptions, LiveSession, QueryOptions, SessionChange } from "../client/contract.ts";
export type * from "../machine/definition.ts";
export type {
  IsIdentifier,
  KnownKeys,
  NameCheck,
  NamesCheck,
  RESERVED_NAMES,
  Refused,
  ReservedName,
} from "../machine/names.ts";
export { type ErrorCode, type ErrorDetails, MachineError, ViewstampError } from "../protocol/errors.ts";
export type { SessionId } from "../protocol/session.ts";
export type { Viewstamp } from "../protocol/view.ts";
export { type SimulationFailure, type SimulationReport, simulate } from "../simulator/simulate.ts";
export {
  faultKinds,
  type SimulatedEnd,
  type SimulateMachineOptions,
  type SimulateMachinesOptions,
  type SimulateOptions,
  type StatesOf,
} from "../simulator/simulate-options.ts";
export type { SimulatedRandom, SimulatedRound } from "../simulator/workload/user.ts";
export type { CallFacts, NamedCall, SimulatedCall, SimulatedOutcome } from "../simulator/workload/user-calls.ts";
