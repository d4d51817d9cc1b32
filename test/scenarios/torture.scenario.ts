// A slice of `torture.ts`, which does the same for hundreds of rounds.
import { test } from "uvu";
import { scenario } from "../harness/scenario.ts";
import { torture, VIEW_MS } from "./torturing.ts";

const ROUNDS = 8;

scenario(
  `replicas are killed at random moments, ${ROUNDS} rounds, on real files`,
  { nodes: 3, viewMs: VIEW_MS },
  (cluster, visitors) => torture(cluster, visitors, ROUNDS, (text) => console.log(text)),
  240_000,
);

test.run();
