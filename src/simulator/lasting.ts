/**
 * Faults that last while all else is well: a majority must go on without the victim.
 * @module
 */
import type { Stage } from "./fault.ts";
import type { SimNode } from "./node.ts";

/** Strikes; what it gives makes it good again. */
type LastingFault = (victim: SimNode, stage: Stage) => () => void;

function cutting(pairsOf: (victim: SimNode, other: SimNode) => readonly (readonly [SimNode, SimNode])[]): LastingFault {
  return (victim, { nodes, network }) => {
    const pairs = nodes.filter((other) => other !== victim).flatMap((other) => pairsOf(victim, other));
    for (const [from, to] of pairs) network.cut(from.host, to.host);
    return () => {
      for (const [from, to] of pairs) network.heal(from.host, to.host);
    };
  };
}

export const LASTING_FAULTS: Readonly<Record<string, LastingFault>> = {
  "stays down": (victim) => {
    victim.keptUp = false;
    victim.die("kill");
    return () => {
      victim.keptUp = true;
      victim.start();
    };
  },
  "stays paused": (victim) => {
    victim.host.pause();
    return () => victim.host.resume();
  },
  "stays without its disk": (victim) => {
    victim.disk.hang();
    return () => victim.disk.unhang();
  },
  "stays isolated": cutting((victim, other) => [
    [victim, other],
    [other, victim],
  ]),
  "stays deaf": cutting((victim, other) => [[other, victim]]),
  "stays mute": cutting((victim, other) => [[victim, other]]),
};
