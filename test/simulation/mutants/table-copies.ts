/**
 * Mutants of copies of the state, and of the new clusters that are made of them or of what one node has left.
 * @module
 */
import type { Mutant } from "./mutant.ts";

export const COPY_MUTANTS: readonly Mutant[] = [
  {
    name: "a copy begins without asking whether this is still the primary",
    rules: [8],
    patches: [
      {
        file: "src/rsm/serving.ts",
        find: 'this.#confirmation.add({ kind: "copy", client, xid });',
        replace: "this.#copies.begin(client, xid);",
      },
    ],
  },
  {
    name: "a chunk of a copy is left out",
    rules: [10],
    patches: [
      {
        file: "src/rsm/copies.ts",
        find: "    begun.next++;\n",
        replace: "    if (begun.next++ === 1) begun.chunks.next();\n",
      },
    ],
  },
  {
    name: "a copy goes on with the state as it is by then",
    rules: [10],
    patches: [
      {
        file: "src/rsm/copies.ts",
        find: "    const chunk = attempt(() => begun.chunks.next());\n",
        replace: `    const later = this.#replica.state.snapshot();
    for (let skip = 0; skip < begun.next; skip++) later.next();
    const chunk = attempt(() => later.next());
`,
      },
    ],
  },
  {
    name: "a copy is said to be of the machines that ran when it was asked for",
    rules: [10],
    patches: [
      {
        file: "src/client/backup.ts",
        find: "} else if (sameVersions(machines, this.#machines ?? [])) {\n      this.#finish(undefined, { at: this.#at, chunks: this.#next, machines });",
        replace:
          "} else if (this.#machines !== undefined) {\n      this.#finish(undefined, { at: this.#at, chunks: this.#next, machines: this.#machines });",
      },
    ],
    why: "an upgrade comes between",
  },
  {
    name: "a new cluster goes on at the places of the old one",
    rules: [13],
    patches: [
      {
        file: "src/rsm/relocation.ts",
        find: "return { vid: Math.max(1, vid), seqno: seqno + skip };",
        replace: "return { vid: Math.max(1, vid), seqno: seqno + 0 * skip };",
      },
    ],
  },
  {
    name: "recovery by force: half of what came after the snapshot is left out",
    rules: [7],
    patches: [
      {
        file: "src/replica/new-cluster.ts",
        find: "for (const entry of entries) state.apply(entry);",
        replace: "for (const entry of entries.slice(0, entries.length >> 1)) state.apply(entry);",
      },
    ],
  },
];
