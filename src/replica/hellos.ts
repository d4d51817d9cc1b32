/**
 * Who may talk to whom: what is said first on a connection, and every reason to refuse (design.md 4.5).
 * @module
 */
import type { ErrorCode } from "../protocol/errors.ts";
import {
  type AgreedOptions,
  type Hello,
  PROTOCOL_LEAST,
  PROTOCOL_NEWEST,
  type Rejection,
  type Welcome,
} from "../protocol/hello.ts";
import type { MachineAbility } from "../protocol/machine.ts";
import { abilitiesText, newestCommon } from "../protocol/machine-versions.ts";
import { type ClusterId, compareIds, type Member, type NodeId } from "../protocol/view.ts";

/** What this node says of itself and holds others to. */
export interface Credentials {
  readonly self: Member;
  /** What its program can run. */
  readonly machines: readonly MachineAbility[];
  readonly options: AgreedOptions;
  /** Asked anew for each connection: genesis makes it known. */
  clusterId(mustBeDurable: boolean): ClusterId | undefined;
}

export function peerHello(own: Credentials): Hello {
  return {
    protocol: { least: PROTOCOL_LEAST, newest: PROTOCOL_NEWEST },
    role: "peer",
    clusterId: own.clusterId(true),
    node: own.self,
    machines: own.machines,
    options: own.options,
    authentication: undefined,
  };
}

/** The answer to a hello that was not refused. */
export function welcome(own: Credentials, hello: Hello): Welcome {
  return {
    accepted: true,
    protocol: Math.min(PROTOCOL_NEWEST, hello.protocol.newest),
    clusterId: own.clusterId(true),
    node: { id: own.self.id, incarnation: own.self.incarnation },
    maxBodyBytes: own.options.maxBodyBytes,
    driftPercent: own.options.driftPercent,
    authentication: undefined,
  };
}

/** Why a peer that dialed may not talk to this node, or `undefined`. */
export function refusePeer(own: Credentials, hello: Hello): Rejection | undefined {
  if (hello.node === undefined || hello.options === undefined)
    return rejection("BadMessage", "a peer's hello names its node and its options");
  return (
    refuseProtocol(hello) ??
    refuseOwnName(own, hello.node.id) ??
    refuseCluster(own, hello.clusterId) ??
    refusePeerMachines(own, hello) ??
    refuseOptions(own, hello.options)
  );
}

/** Why a client may not talk to this node, or `undefined`. */
export function refuseClient(own: Credentials, hello: Hello): Rejection | undefined {
  return refuseProtocol(hello) ?? refuseOldClient(own, hello.clusterId) ?? refuseClientMachines(own, hello);
}

/** Why this node does not talk to the one that answered at the address of `expected`, or `undefined`. */
export function refuseWelcome(own: Credentials, expected: NodeId, reply: Welcome): Rejection | undefined {
  if (reply.node.id !== expected)
    return rejection(
      "InvalidOptions",
      `node "${reply.node.id}" answers at the address given for "${expected}": correct the cluster list`,
    );
  if (reply.protocol < PROTOCOL_LEAST || reply.protocol > PROTOCOL_NEWEST)
    return rejection("WrongProtocol", `it chose protocol ${reply.protocol}, which ${ours()}`);
  return refuseCluster(own, reply.clusterId);
}

function refuseProtocol({ protocol: { least, newest } }: Hello): Rejection | undefined {
  if (least <= PROTOCOL_NEWEST && newest >= PROTOCOL_LEAST) return undefined;
  const older = newest < PROTOCOL_LEAST ? "the other side" : "this node";
  return rejection(
    "WrongProtocol",
    `the other side speaks protocol ${least} to ${newest}, ${ours()}: upgrade ${older}`,
  );
}

function ours(): string {
  return `this node speaks ${PROTOCOL_LEAST} to ${PROTOCOL_NEWEST}`;
}

function refuseOwnName(own: Credentials, id: NodeId): Rejection | undefined {
  if (id !== own.self.id) return undefined;
  return rejection(
    "InvalidOptions",
    `this node is "${id}" too: give each node an id of its own, and each id an address of its own`,
  );
}

/** Also of a connection that was open before one of the two had a cluster. */
export function refuseCluster(own: Credentials, theirs: ClusterId | undefined): Rejection | undefined {
  const ours = own.clusterId(false);
  if (theirs === undefined || ours === undefined || theirs === ours) return undefined;
  return rejection(
    "WrongCluster",
    `node "${own.self.id}" belongs to cluster ${ours}, the other side to cluster ${theirs}: correct the addresses; ` +
      "a node moves to another cluster only with empty data",
  );
}

/** A client keeps to the cluster that it has met first: what it holds and waits for is there. */
function refuseOldClient(own: Credentials, theirs: ClusterId | undefined): Rejection | undefined {
  if (refuseCluster(own, theirs) === undefined) return undefined;
  return rejection(
    "WrongCluster",
    `node "${own.self.id}" belongs to cluster ${own.clusterId(false)}, this client to cluster ${theirs}: correct the addresses, ` +
      "or, if the cluster was made anew, connect a new client",
  );
}

function refusePeerMachines(own: Credentials, { machines }: Hello): Rejection | undefined {
  if (newestCommon([own.machines, machines]) !== undefined) return undefined;
  return rejection(
    "WrongMachine",
    `the other side can run ${listed(machines)}, node "${own.self.id}" ${listed(own.machines)}: ` +
      "all nodes of a cluster have the same machines, and a version of each in common (previous keeps the one before)",
  );
}

/** Of which version a call is, it says itself: the newest client may be served, or told so, by the oldest node. */
function refuseClientMachines(own: Credentials, { machines }: Hello): Rejection | undefined {
  const lacking = machines.filter((wanted) => !own.machines.some(({ name }) => name === wanted.name));
  if (lacking.length === 0) return undefined;
  return rejection(
    "WrongMachine",
    `the client calls ${listed(lacking)}, node "${own.self.id}" has ${listed(own.machines)}: ` +
      "a cluster is started with all machines that its clients call (machines: […])",
  );
}

function listed(machines: readonly MachineAbility[]): string {
  return abilitiesText([...machines].sort((a, b) => compareIds(a.name, b.name)));
}

function refuseOptions(own: Credentials, theirs: AgreedOptions): Rejection | undefined {
  const names = ["minCopies", "maxBodyBytes", "driftPercent"] as const;
  const differing = names.filter((name) => theirs[name] !== own.options[name]);
  if (differing.length === 0) return undefined;
  const each = differing.map((name) => `${name} is ${theirs[name]} there and ${own.options[name]} here`);
  return rejection(
    "OptionsDisagree",
    `${each.join(", ")} (node "${own.self.id}"): all nodes of a cluster are started with the same`,
  );
}

function rejection(code: ErrorCode, text: string): Rejection {
  return { accepted: false, code, text };
}
