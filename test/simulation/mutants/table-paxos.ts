/**
 * Mutants of Paxos and of what an acceptor makes durable (design.md 4.1).
 * @module
 */
import type { Mutant } from "./mutant.ts";

const ACCEPTOR = "src/paxos/acceptor.ts";
const PROPOSER = "src/paxos/proposer.ts";
const VOTING = "src/config/voting.ts";
const NEWEST = "src/config/newest-view.ts";
const CAMPAIGNS = "src/config/campaigns.ts";

export const PAXOS_MUTANTS: readonly Mutant[] = [
  {
    name: "accept below the promise",
    rules: [1],
    patches: [
      {
        file: ACCEPTOR,
        find: "accept(ballot: Ballot, value: View): boolean {\n    if (this.#isBelowPromise(ballot)) return false;",
        replace: "accept(ballot: Ballot, value: View): boolean {",
      },
    ],
  },
  {
    name: "promise below an earlier promise",
    rules: [1],
    patches: [
      {
        file: ACCEPTOR,
        find: "prepare(ballot: Ballot): boolean {\n    if (this.#isBelowPromise(ballot)) return false;",
        replace: "prepare(ballot: Ballot): boolean {",
      },
    ],
  },
  {
    name: "highest accepted value ignored",
    rules: [1],
    patches: [{ file: PROPOSER, find: "return this.#highest?.value;", replace: "return undefined;" }],
  },
  {
    name: "lowest accepted value adopted",
    rules: [1],
    patches: [
      {
        file: PROPOSER,
        find: "compareBallots(accepted.ballot, this.#highest.ballot) > 0",
        replace: "compareBallots(accepted.ballot, this.#highest.ballot) < 0",
      },
    ],
    why: "two different values must have been accepted, and the lower one be met together with the higher",
  },
  {
    name: "promise without what was accepted",
    rules: [1, 2],
    patches: [
      {
        file: VOTING,
        find: `{ type: "promise", instance, ballot: message.ballot, accepted }`,
        replace: `{ type: "promise", instance, ballot: message.ballot, accepted: undefined }`,
      },
    ],
  },
  {
    name: "one short of a majority promises",
    rules: [1, 3],
    patches: [
      {
        file: PROPOSER,
        find: "this.promised.size >= quorumOf(this.base);",
        replace: "this.promised.size >= quorumOf(this.base) - 1;",
      },
    ],
  },
  {
    name: "one short of a majority accepts",
    rules: [1, 3],
    patches: [
      {
        file: PROPOSER,
        find: "this.accepted.size >= quorumOf(this.base);",
        replace: "this.accepted.size >= quorumOf(this.base) - 1;",
      },
    ],
  },
  {
    name: "promise forgotten at restart",
    rules: [1, 2],
    patches: [
      {
        file: NEWEST,
        find: "(durable.view?.vid ?? 0) + 1, durable.promised, durable.accepted",
        replace: "(durable.view?.vid ?? 0) + 1, undefined, durable.accepted",
      },
    ],
  },
  {
    name: "accepted value forgotten at restart",
    rules: [1, 2],
    patches: [
      {
        file: NEWEST,
        find: "(durable.view?.vid ?? 0) + 1, durable.promised, durable.accepted",
        replace: "(durable.view?.vid ?? 0) + 1, durable.promised, undefined",
      },
    ],
  },
  {
    name: "ballot used again after restart",
    rules: [1],
    patches: [
      {
        file: CAMPAIGNS,
        find: "const ballot = { round: Math.max(acceptor.round, this.#seenRound) + 1, node: self.id };",
        replace: `const own = this.#newest.isFromDisk && this.#failures === 0 && acceptor.promised?.node === self.id;
    const ballot = { round: Math.max(acceptor.round, this.#seenRound) + (own ? 0 : 1), node: self.id };`,
      },
    ],
    why: "a proposer goes on with the ballot that it had promised itself, and may propose another value under it",
  },
  {
    name: "prepare leaves before the own promise is durable",
    rules: [2],
    patches: [
      {
        file: CAMPAIGNS,
        find: "const ownPromise = campaign.proposer.value === undefined ? campaign.ownWrite : 0;",
        replace: "const ownPromise = 0;",
      },
    ],
  },
  {
    name: "promise leaves before it is durable",
    rules: [2],
    patches: [
      {
        file: VOTING,
        find: "this.#output.send(from.id, promise, after);",
        replace: "this.#output.send(from.id, promise, Math.min(after, this.#newest.write));",
      },
    ],
  },
  {
    name: "accepted leaves before it is durable",
    rules: [2],
    patches: [
      {
        file: VOTING,
        find: "this.#output.send(from.id, answer, after);",
        replace: "this.#output.send(from.id, answer, Math.min(after, this.#newest.write));",
      },
    ],
  },
  {
    name: "own acceptance counted before it is durable",
    rules: [1, 2, 3],
    patches: [
      {
        file: CAMPAIGNS,
        find: "campaign.ownWrite === 0 || write < campaign.ownWrite) return undefined;",
        replace: "campaign.ownWrite === 0) return undefined;",
      },
    ],
    why: "any completion of the disk is taken for that of the own promise or acceptance",
  },
  {
    name: "a wiped acceptor votes as its old self",
    rules: [1, 3, 6],
    patches: [
      {
        file: PROPOSER,
        find: "if (!includesIdentity(this.base.acceptors, from)) return;",
        replace: "if (!this.base.acceptors.some(({ id }) => id === from.id)) return;",
      },
      {
        file: PROPOSER,
        find: "if (this.#value === undefined || !includesIdentity(this.base.acceptors, from)) return false;",
        replace:
          "if (this.#value === undefined || !this.base.acceptors.some(({ id }) => id === from.id)) return false;",
      },
      {
        file: NEWEST,
        find: "return this.#view !== undefined && includesIdentity(this.#view.acceptors, who);",
        replace: "return this.#view !== undefined && this.#view.acceptors.some(({ id }) => id === who.id);",
      },
    ],
    why: "acceptors are told by their id alone, the incarnation does not count",
  },
];
