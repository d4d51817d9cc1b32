/**
 * Schemas of everything that is not hand-laid, for wire and disk: what passes them may reach the core.
 * @module
 */
import * as v from "valibot";
import type { AcceptedValue, Ballot } from "./ballot.ts";
import { badMessage } from "./bytes.ts";
import type { MachineAbility, MachineVersion } from "./machine.ts";
import type { ClusterId, Incarnation, Invitation, Member, NodeId, View, Viewstamp } from "./view.ts";

export const MAX_ID_LENGTH = 64;
export const MAX_URL_LENGTH = 2048;
/** Longer texts for people are cut where they are sent. */
export const MAX_TEXT_LENGTH = 2048;
const MAX_NAME_LENGTH = 256;

export type Schema<T> = v.GenericSchema<unknown, T>;

/** @throws {ViewstampError} `BadMessage` with the first thing that is wrong and its place */
export function parse<T>(schema: Schema<T>, value: unknown, what: string): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const place = v.getDotPath(issue);
  throw badMessage(`${what}${place === null ? "" : `, ${place}`}: ${issue.message.slice(0, MAX_TEXT_LENGTH)}`);
}

export const count: Schema<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const positive: Schema<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
export const quantity: Schema<number> = v.pipe(v.number(), v.finite(), v.minValue(0));
export const flag: Schema<boolean> = v.boolean();
export const id: Schema<NodeId> = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_ID_LENGTH));
export const incarnation: Schema<Incarnation> = id;
export const clusterId: Schema<ClusterId> = id;
/** An id, or empty where none is known. */
export const idOrEmpty: Schema<string> = v.pipe(v.string(), v.maxLength(MAX_ID_LENGTH));
export const url: Schema<string> = v.pipe(v.string(), v.maxLength(MAX_URL_LENGTH));
export const text: Schema<string> = v.pipe(v.string(), v.maxLength(MAX_TEXT_LENGTH));
export const name: Schema<string> = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME_LENGTH));
export const bytes: Schema<Uint8Array> = v.instance(Uint8Array);

export const viewstamp: Schema<Viewstamp> = v.strictObject({ vid: count, seqno: count });
export const ballot: Schema<Ballot> = v.strictObject({ round: count, node: id });
export const identity: Schema<{ id: NodeId; incarnation: Incarnation }> = v.strictObject({ id, incarnation });
export const member: Schema<Member> = v.strictObject({ id, incarnation, url });
export const invitation: Schema<Invitation> = v.strictObject({ id, url });

function isAscending(ids: NodeId[]): boolean {
  return ids.every((one, index) => index === 0 || ids[index - 1]! < one);
}

function sortedById<T extends { readonly id: NodeId }>(item: Schema<T>): Schema<T[]> {
  return v.pipe(
    v.array(item),
    v.check((list) => isAscending(list.map((one) => one.id)), "ids are not in order, or one is there twice"),
  );
}

/** Of machines, in the order of their names. */
function sortedByName<T extends { readonly name: string }>(item: Schema<T>): Schema<T[]> {
  return v.pipe(
    v.array(item),
    v.check((list) => isAscending(list.map((one) => one.name)), "machines are not in order, or one is there twice"),
  );
}

const version: Schema<MachineVersion> = v.strictObject({ name, version: positive });
const ability: Schema<MachineAbility> = v.strictObject({
  name,
  versions: v.pipe(v.array(positive), v.minLength(1)),
});
export const versions: Schema<MachineVersion[]> = sortedByName(version);
export const able: Schema<MachineAbility[]> = sortedByName(ability);

export const view: Schema<View> = v.pipe(
  v.strictObject({
    vid: positive,
    members: sortedById(member),
    acceptors: sortedById(member),
    barred: v.pipe(v.array(id), v.check(isAscending, "ids are not in order, or one is there twice")),
    invited: sortedById(invitation),
    primary: id,
  }),
  v.check((one) => membersAreAcceptors(one), "a member is no acceptor"),
  v.check(({ members, primary }) => members.some((one) => one.id === primary), "the primary is no member"),
);

function membersAreAcceptors({ members, acceptors }: Pick<View, "members" | "acceptors">): boolean {
  const incarnations = new Map(acceptors.map((one) => [one.id, one.incarnation]));
  return members.every((one) => incarnations.get(one.id) === one.incarnation);
}

export const accepted: Schema<AcceptedValue> = v.strictObject({ ballot, value: view });
