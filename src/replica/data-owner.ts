/**
 * Whose data it is: a node does not go on with what another node has written.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { DurableState } from "../protocol/storage.ts";
import type { NodeId } from "../protocol/view.ts";

/**
 * Why this node must not start on this data, or `undefined`. Its votes and its log count under the other's name: here they
 * would be those of a stranger, and the other would be missed. Data that no view knows yet is anybody's.
 */
export function refuseForeign(id: NodeId, { identity, view }: DurableState): ViewstampError | undefined {
  const known = [...(view?.members ?? []), ...(view?.acceptors ?? [])];
  const owner = known.find(({ incarnation }) => incarnation === identity?.incarnation)?.id;
  if (owner === undefined || owner === id) return undefined;
  return new ViewstampError(
    "InvalidOptions",
    `the data is that of node "${owner}", and this is node "${id}": start it with its own data, or as "${owner}"`,
    { data: { option: "id", owner } },
  );
}
