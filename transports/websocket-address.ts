/**
 * Addresses of the WebSocket transport: `ws://host:port`, with a path if there must be one.
 * @module
 */

export interface Address {
  /** A name or an IP address; IPv6 without brackets. */
  readonly host: string;
  /** 0 when listening: any free port. */
  readonly port: number;
  /** `/` when the address names none. */
  readonly path: string;
}

const shape = /^ws:\/\/(?:\[([0-9a-f:.]+)\]|([\w.-]+)):(\d{1,5})(\/[\w/.~%-]*)?$/i;

/** `undefined` for anything else. The port must be written: its default, 80, is nobody's intention. */
export function parseAddress(url: string): Address | undefined {
  const [, ipv6, name, port, path = "/"] = shape.exec(url) ?? [];
  const host = ipv6 ?? name;
  if (host === undefined || Number(port) > 65_535 || !URL.canParse(url)) return undefined;
  // A path that is rewritten on its way (`/a/../b`) would not be found by the listener.
  return new URL(url).pathname === path ? { host, port: Number(port), path } : undefined;
}

export function formatAddress({ host, port, path }: Address): string {
  return `ws://${host.includes(":") ? `[${host}]` : host}:${port}${path === "/" ? "" : path}`;
}
