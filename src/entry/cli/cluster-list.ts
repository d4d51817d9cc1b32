/**
 * What follows `--cluster`: `a=ws://host:7001,b=…` for nodes; for clients plain addresses will do too.
 * @module
 */
import { parseAddress } from "../../../transports/websocket-address.ts";
import { UsageError } from "./exit-codes.ts";

export interface ListedNode {
  /** `undefined` for a plain address. */
  readonly id: string | undefined;
  readonly url: string;
}

/** @throws {UsageError} for a list that is empty, repeats itself or holds what is no address */
export function parseClusterList(text: string): ListedNode[] {
  const nodes = text.split(",").map((part) => parseNode(part.trim()));
  const twice = repeated(nodes.flatMap(({ id }) => id ?? [])) ?? repeated(nodes.map(({ url }) => url));
  if (twice !== undefined) throw new UsageError(`--cluster names ${twice} twice`);
  return nodes;
}

/** @throws {UsageError} also for an address without an id */
export function parseNamedCluster(text: string): Record<string, string> {
  const entries = parseClusterList(text).map(({ id, url }): [string, string] => {
    if (id === undefined) throw new UsageError(`--cluster must name each node, as in a=${url}`);
    return [id, url];
  });
  return Object.fromEntries(entries);
}

function parseNode(part: string): ListedNode {
  const named = /^([^=:/?#]*)=(.*)$/.exec(part);
  const [id, url] = named === null ? [undefined, part] : [named[1]!, named[2]!];
  const where = `--cluster holds "${part}"`;
  return { id: id === undefined ? undefined : checkedId(id, where), url: checkedAddress(url, where) };
}

/** @throws {UsageError} */
export function checkedId(id: string, where: string): string {
  if (!/^[\w.-]{1,64}$/.test(id)) throw new UsageError(`${where}: an id is 1 to 64 letters, digits, ".", "_" or "-"`);
  return id;
}

/** An address without a trailing slash. @throws {UsageError} */
export function checkedAddress(url: string, where: string): string {
  if (parseAddress(url) === undefined) throw new UsageError(`${where}: an address looks like ws://127.0.0.1:7001`);
  return url.replace(/\/$/, "");
}

function repeated(values: readonly string[]): string | undefined {
  return values.find((value, index) => values.indexOf(value) !== index);
}
