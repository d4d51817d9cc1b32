/**
 * The body of an `upgrade` entry: the encoded value `[[name, from, to], …]`, in the order of the names.
 * @module
 */
import * as v from "valibot";
import type { MachineVersion } from "./machine.ts";
import { decodeValue, encodeValue } from "./values.ts";
import { name, parse, positive, type Schema } from "./wire-schemas.ts";

/** The versions that run before an `upgrade` entry, and those that run after it. */
export interface UpgradeBody {
  readonly from: readonly MachineVersion[];
  readonly to: readonly MachineVersion[];
}

const schema: Schema<[string, number, number][]> = v.array(v.strictTuple([name, positive, positive]));

export function encodeUpgrade({ from, to }: UpgradeBody): Uint8Array {
  return encodeValue(from.map((one, index) => [one.name, one.version, to[index]!.version]));
}

/** @throws {ViewstampError} `BadMessage` */
export function decodeUpgrade(body: Uint8Array): UpgradeBody {
  const machines = parse(schema, decodeValue(body), "upgrade");
  return {
    from: machines.map(([of, from]) => ({ name: of, version: from })),
    to: machines.map(([of, , to]) => ({ name: of, version: to })),
  };
}
