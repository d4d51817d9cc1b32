/**
 * Faults at instants that chance all but never meets: a cluster is just being founded, a notice is on its way. Who is struck
 * then comes back as quickly as its operator would have it.
 * @module
 */
import type { Genesis } from "../protocol/messages.ts";
import type { Sending } from "./aims.ts";
import { type Fault, later, type Stage } from "./fault.ts";
import type { SimNode } from "./node.ts";
import type { Random } from "./random.ts";

/** A first view is this long on its way, while its founder is replaced: others have told the next one that they are fresh. */
const LATE_MS: readonly [least: number, most: number] = [300, 1500];
/** Nobody hears the next founder before. */
const DEAF_MS = 40;

function isFirstView({ message }: Sending): boolean {
  return message.type === "genesis" && (message as Genesis).view.vid === 1;
}

/**
 * Each process stands still the next time it is being told of something, a lock that it has now, say: perhaps until that is
 * not so any more.
 */
function pausesAtNotice(stage: Stage, random: Random): boolean {
  const up = stage.clients.filter((client) => client.up);
  for (const { host } of up)
    stage.aims.notice.set(host, () => {
      host.pause(random.chance(0.5));
      later(stage, random, 50, 5000, () => host.resume());
    });
  return up.length > 0;
}

/** As the founder is about to tell of the first view: what befalls it, or whom it tells. */
function atGenesis(strike: (sending: Sending, stage: Stage, random: Random) => boolean): Fault {
  return (stage, random) => {
    if (stage.nodes.length < 3) return false;
    stage.aims.arm({
      isIt: isFirstView,
      spared: random.integer(0, stage.nodes.length - 2),
      strike: (sending) => strike(sending, stage, random),
    });
    return true;
  };
}

/** Some crash between what they told of themselves and what they are told, or as they tell it. */
const crashes: Fault = atGenesis(({ from, to }, stage, random) => {
  const victim = random.pick([from, to]);
  victim.die(random.pick(["kill", "power"]));
  later(stage, random, 0, 600, () => victim.start());
  return random.chance(0.5);
});

/** A node that was counted on with a newer program is given an older one before it has heard that it was. */
const givenOlderProgram: Fault = atGenesis(({ to }, stage, random) => {
  if (to.program <= 1) return true;
  to.die(random.pick(["kill", "power"]));
  to.program = random.integer(1, to.program - 1);
  later(stage, random, 0, 300, () => to.start());
  return true;
});

function olderProgram(stage: Stage, random: Random): boolean {
  return stage.newestProgram > 1 && givenOlderProgram(stage, random);
}

/**
 * The founder has made the first view and lost its disk before anybody has heard of it: another one is founded, while what it
 * said is still on its way.
 */
function founderLost(stage: Stage, random: Random): boolean {
  const [founder] = stage.nodes;
  if (founder === undefined || stage.nodes.length < 3) return false;
  stage.aims.arm({
    isIt: (sending) => sending.from === founder && isFirstView(sending),
    spared: 0,
    strike: () => {
      const [least, most] = LATE_MS;
      for (const { link } of linksFrom(founder, stage)) Object.assign(link, { delay: { least, most, rare: most } });
      later(stage, random, 0, 0, () => replaceFounder(founder, stage, random));
      return true;
    },
  });
  return true;
}

function replaceFounder(founder: SimNode, stage: Stage, random: Random): void {
  const { network } = stage;
  founder.die("power");
  founder.wipe();
  for (const { link, to } of linksFrom(founder, stage)) {
    Object.assign(link, { delay: { ...network.usual.delay } });
    network.cut(founder.host, to.host);
  }
  founder.start();
  // Programs that have met the first founder know its cluster, and nobody else does: they begin anew.
  for (const client of stage.clients.filter(({ up }) => up)) {
    client.die();
    later(stage, random, 0, 100, () => client.start());
  }
  later(stage, random, DEAF_MS, DEAF_MS, () => {
    for (const { to } of linksFrom(founder, stage)) network.heal(founder.host, to.host);
  });
}

function linksFrom(node: SimNode, { nodes, network }: Stage) {
  return nodes.filter((other) => other !== node).map((to) => ({ to, link: network.link(node.host, to.host) }));
}

export const INSTANTS: Readonly<Record<string, Fault>> = {
  "clients pause at a notice": pausesAtNotice,
};

/** What befalls a cluster that is being founded: begun before any node is. */
export const FOUNDING_FAULTS: Readonly<Record<string, Fault>> = {
  "crash at genesis": crashes,
  "older program at genesis": olderProgram,
  "founder lost at genesis": founderLost,
};
