import { type Import, importsOf, type Source } from "./source.ts";

/** Which rooms a room may import, besides itself (design.md, section 3). */
const law: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  paxos: ["protocol"],
  config: ["protocol", "paxos"],
  rsm: ["protocol", "paxos", "config"],
  machine: ["protocol"],
  storage: ["protocol"],
  transports: ["protocol"],
  // A client's types come from the machine it talks to.
  client: ["protocol", "machine"],
  locks: ["protocol", "machine", "client"],
  kv: ["protocol", "machine", "client"],
  replica: ["protocol", "paxos", "config", "rsm", "machine", "storage"],
};

/** A room with everything of src but these. */
const exceptFor: Readonly<Record<string, readonly string[]>> = {
  entry: [],
  door: [],
  simulator: ["entry", "transports"],
};

const sockets = ["ws", "isomorphic-ws"];

/** Says, for each import that breaks the law, which and why. */
export function brokenImports(source: Source, dependencies: readonly string[]): string[] {
  return importsOf(source).flatMap((one) => {
    const why = one.target === undefined ? whyNotPackage(source.path, one, dependencies) : whyNotFile(source.path, one);
    return why === "" ? [] : [`${source.path} imports "${one.specifier}": ${why}`];
  });
}

function whyNotFile(path: string, { target = "", specifier }: Import): string {
  if (!specifier.endsWith(".ts")) return "write the .ts extension";
  const from = roomOf(path);
  const to = roomOf(target);
  if (from === to) return "";
  if (to === undefined || from === undefined) return "published code has no business there";
  if (to === "door") return "the front door is for users";
  const allowed = from in exceptFor ? !exceptFor[from]!.includes(to) : law[from]?.includes(to);
  if (allowed === undefined) return `the import law does not know the room ${from}`;
  return allowed ? "" : `${from} must not know ${to}`;
}

function whyNotPackage(path: string, { specifier }: Import, dependencies: readonly string[]): string {
  if (specifier.startsWith("node:")) return "";
  if (!dependencies.includes(specifier)) return "not in dependencies";
  if (sockets.includes(specifier) && !path.startsWith("transports/websocket"))
    return "only the WebSocket transport may";
  return "";
}

function roomOf(path: string): string | undefined {
  if (path === "mod.ts") return "door";
  const [top, room] = path.split("/");
  if (top === "transports") return "transports";
  return top === "src" ? room : undefined;
}

/** Files that no entry point reaches. */
export function deadFiles(sources: readonly Source[], entries: readonly string[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const source = byPath.get(path);
    if (source === undefined || reached.has(path)) return;
    reached.add(path);
    for (const { target } of importsOf(source)) if (target !== undefined) visit(target);
  };
  for (const entry of entries) visit(entry);
  return [...byPath.keys()].filter((path) => !reached.has(path));
}
