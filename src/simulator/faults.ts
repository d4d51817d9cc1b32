/**
 * What goes wrong: kinds of faults, of which each seed draws its own mix. Each begins at a moment of chance and mends itself
 * after a while; all stop when the world heals.
 * @module
 */

import { type DiskOperation, QUICK_DISK, SLOW_DISK } from "./disk.ts";
import { allHosts, cutFor, type Fault, isolate, later, onMessage, onNode, type Stage, startLater } from "./fault.ts";
import { INSTANTS } from "./instants.ts";
import type { SimNode } from "./node.ts";
import { PLOTS } from "./plots.ts";
import type { Random } from "./random.ts";

/** Any two clocks run apart by less than the one percent that is allowed. */
export const MOST_DRIFT = 0.0045;

const DISK_OPERATIONS: readonly DiskOperation[] = ["append", "sync", "create", "rename", "remove", "syncDirectory"];

function replaceProgram(node: SimNode, stage: Stage, random: Random, program: number): void {
  if (random.chance(0.5)) node.stop();
  else node.die(random.chance(0.8) ? "kill" : "power");
  // A stop takes its time; it is the next start that counts.
  node.program = program;
  later(stage, random, 0, 2000, () => node.start());
}

function startWhenSwitched(node: SimNode, stage: Stage, random: Random): void {
  const hasSwitched = ({ core, started }: SimNode): boolean => {
    const machine = core?.state.machine;
    if (machine === undefined || started < stage.newestProgram) return false;
    return machine.able.every(({ versions }, at) => machine.versions[at]?.version === versions.at(-1));
  };
  later(stage, random, 50, 300, () => {
    if (stage.nodes.some(hasSwitched)) node.start();
    else startWhenSwitched(node, stage, random);
  });
}

/** What befalls programs: nothing where there is one machine version only. */
export const PROGRAM_FAULTS: Readonly<Record<string, Fault>> = {
  /** Its operator gives it the program with newer machines. */
  "newer program": onNode((node, stage, random) => {
    if (node.program >= stage.newestProgram) return false;
    replaceProgram(node, stage, random, random.integer(node.program + 1, stage.newestProgram));
    return true;
  }),
  /** Its operator thinks better of it. */
  "older program": onNode((node, stage, random) => {
    if (node.program <= 1) return false;
    replaceProgram(node, stage, random, random.integer(1, node.program - 1));
    return true;
  }),
  /** All others get the newest program one by one, and switch, while one node is away; it comes back with the old one. */
  "left behind": (stage, random) => {
    const [late, ...others] = random.shuffle(stage.nodes);
    if (late === undefined || others.length < 2 || late.program >= stage.newestProgram) return false;
    late.die("kill");
    let at = 0;
    for (const node of others) {
      at += random.between(100, 700);
      later(stage, random, at, at, () => {
        node.die("kill");
        node.program = stage.newestProgram;
        node.start();
      });
    }
    startWhenSwitched(late, stage, random);
    return true;
  },
};

export const FAULTS: Readonly<Record<string, Fault>> = {
  ...PROGRAM_FAULTS,
  kill: onNode((node, stage, random) => {
    node.die("kill");
    startLater(node, stage, random);
  }),
  "power loss": onNode((node, stage, random) => {
    node.die("power");
    startLater(node, stage, random);
  }),
  "crash in a turn": onNode((node, stage, random) => {
    node.host.life?.dieAfter(random.integer(0, 12), random.chance(0.5) ? "power" : "kill");
    // It is dead soon, or busy so little that it does not matter.
    later(stage, random, 500, 3000, () => node.start());
  }),
  "all lose power": (stage, random) => {
    for (const node of stage.nodes) {
      node.die("power");
      startLater(node, stage, random);
    }
    return true;
  },
  stop: onNode((node, stage, random) => {
    node.stop();
    later(stage, random, 1500, 4000, () => node.start());
  }),
  pause: onNode((node, stage, random) => {
    node.host.pause();
    later(stage, random, 20, random.chance(0.2) ? 8000 : 1500, () => node.host.resume());
  }),
  suspend: onNode((node, stage, random) => {
    node.host.pause(true);
    later(stage, random, 20, 3000, () => node.host.resume());
  }),
  partition: (stage, random) => {
    const sides = new Map(allHosts(stage).map((host) => [host, random.chance(0.5)]));
    const hosts = [...sides.keys()];
    const pairs = hosts.flatMap((from) =>
      hosts.filter((to) => sides.get(from) !== sides.get(to)).map((to) => [from, to] as const),
    );
    return cutFor(stage, random, pairs);
  },
  "isolated node": onNode(({ host }, stage, random) => isolate(host, stage, random)),
  "crash at a message": onMessage((node, stage, random) => {
    if (!node.up) return;
    node.die(random.chance(0.5) ? "power" : "kill");
    startLater(node, stage, random);
  }),
  "cut off at a message": onMessage(({ host }, stage, random) => void isolate(host, stage, random)),
  "disk hangs at a message": onMessage(({ disk }, stage, random) => {
    disk.hang();
    later(stage, random, 20, 1500, () => disk.unhang());
  }),
  "pause at a message": onMessage(({ host }, stage, random) => {
    host.pause();
    later(stage, random, 20, 2000, () => host.resume());
  }),
  "cut pair": (stage, random) => {
    const [a, b] = random.shuffle(stage.nodes.map(({ host }) => host));
    if (a === undefined || b === undefined) return false;
    return cutFor(stage, random, [
      [a, b],
      [b, a],
    ]);
  },
  "one-way cut": (stage, random) => {
    const [a, b] = random.shuffle(stage.nodes.map(({ host }) => host));
    return a !== undefined && b !== undefined && cutFor(stage, random, [[a, b]]);
  },
  "deaf or mute node": onNode(({ host }, stage, random) => {
    const others = stage.nodes.map((node) => node.host).filter((other) => other !== host);
    const mute = random.chance(0.5);
    return cutFor(
      stage,
      random,
      others.map((other) => (mute ? ([host, other] as const) : ([other, host] as const))),
    );
  }),
  "flapping link": (stage, random) => {
    const [a, b] = random.shuffle(stage.nodes.map(({ host }) => host));
    if (a === undefined || b === undefined) return false;
    const period = random.between(20, 400);
    for (let i = 0; i < 6; i++) {
      later(stage, random, 2 * i * period, 2 * i * period, () => stage.network.cut(a, b));
      later(stage, random, (2 * i + 1) * period, (2 * i + 1) * period, () => stage.network.heal(a, b));
    }
    return true;
  },
  "slow link": (stage, random) => {
    const [a, b] = random.shuffle(allHosts(stage));
    if (a === undefined || b === undefined) return false;
    const link = stage.network.link(a, b);
    const most = random.pick([20, 100, 700]);
    stage.world.story.tell(a.name, `-> ${b.name} is slow`);
    Object.assign(link, { delay: { least: most / 4, most, rare: 2 * most }, rate: random.pick([10, 100, 10_000]) });
    later(stage, random, 200, 4000, () => {
      const { delay, rate } = stage.network.usual;
      Object.assign(link, { delay: { ...delay }, rate });
    });
    return true;
  },
  "reset connections": (stage, random) => {
    const connections = stage.network.connections();
    if (connections.length === 0) return false;
    const all = random.chance(0.3);
    for (const connection of all ? connections : [random.pick(connections)]) connection.reset();
    return true;
  },
  "harsh network": (stage, random) => {
    const p = (): number => (random.chance(0.6) ? random.between(0, 0.1) : 0);
    stage.network.harshness = { drop: p(), repeat: p(), reorder: p() };
    later(stage, random, 200, 3000, () => stage.network.calm());
    return true;
  },
  "slow disk": onNode((node, stage, random) => {
    node.disk.temper = SLOW_DISK;
    later(stage, random, 200, 4000, () => {
      node.disk.temper = QUICK_DISK;
    });
  }),
  "hanging disk": onNode((node, stage, random) => {
    node.disk.hang(random.chance(0.3));
    later(stage, random, 50, 3000, () => node.disk.unhang());
  }),
  "full disk": onNode((node, stage, random) => {
    node.disk.full = true;
    later(stage, random, 100, 2000, () => {
      node.disk.full = false;
      node.start();
    });
  }),
  "failing fsync": onNode((node, stage, random) => {
    node.disk.failsSync = true;
    later(stage, random, 50, 1000, () => {
      node.disk.failsSync = false;
      // What the kernel dropped stays dropped: the machine is as after a loss of power.
      node.die("power");
      startLater(node, stage, random);
    });
  }),
  "torn records": onNode((node, stage, random) => {
    // A hanging disk has much to lose.
    node.disk.hang(random.chance(0.7));
    later(stage, random, 20, 300, () => {
      node.die("power");
      node.disk.unhang();
      startLater(node, stage, random);
    });
  }),
  "crash at the disk": onNode((node, stage, random) => {
    const death = random.chance(0.5) ? "power" : "kill";
    node.disk.aim({
      operation: random.pick(DISK_OPERATIONS),
      spared: random.integer(0, 2),
      isBefore: random.chance(0.5),
      strike: () => {
        node.die(death);
        startLater(node, stage, random);
      },
    });
  }),
  "lost disk": onNode((node, stage, random) => {
    if (!stage.maySpare(node)) return false;
    node.die("power");
    node.wipe();
    startLater(node, stage, random);
    return true;
  }),
  "disk found again": onNode((node, stage, random) => {
    if (!stage.maySpare(node)) return false;
    node.die("power");
    const putBack = node.swapDisk();
    startLater(node, stage, random);
    later(stage, random, 100, 4000, () => {
      if (!stage.maySpare(node)) return;
      node.die("power");
      putBack();
      node.start();
    });
    return true;
  }),
  "bit rot": onNode((node, stage, random) => {
    if (!stage.maySpare(node)) return false;
    node.die("kill");
    if (!node.rot()) return false;
    startLater(node, stage, random);
    return true;
  }),
  "wall clock set": (stage, random) => {
    random.pick(allHosts(stage)).jumpWall(random.between(-100_000, 100_000));
    return true;
  },
  "clock drift": (stage, random) => {
    random
      .pick(allHosts(stage))
      .setClockRate(1 + (random.chance(0.5) ? random.pick([-1, 1]) : random.between(-1, 1)) * MOST_DRIFT);
    return true;
  },
  "client dies": (stage, random) => {
    const up = stage.clients.filter((client) => client.up);
    if (up.length === 0) return false;
    const client = random.pick(up);
    client.die();
    later(stage, random, 0, 2000, () => client.start());
    return true;
  },
  "client cut off": (stage, random) => {
    const up = stage.clients.filter((client) => client.up);
    if (up.length === 0) return false;
    const { host } = random.pick(up);
    const alsoDeaf = random.chance(0.5);
    const pairs = stage.nodes.map((node) => [host, node.host] as const);
    return cutFor(stage, random, alsoDeaf ? [...pairs, ...pairs.map(([a, b]) => [b, a] as const)] : pairs);
  },
  "client unheard": (stage, random) => {
    const up = stage.clients.filter((client) => client.up);
    if (up.length === 0) return false;
    const { host } = random.pick(up);
    const late = random.pick([1, 50, 200]);
    for (const node of stage.nodes) {
      Object.assign(stage.network.link(node.host, host), { delay: { least: late / 2, most: late, rare: late } });
      node.host.setClockRate(1 + MOST_DRIFT);
    }
    host.setClockRate(1 - MOST_DRIFT);
    // Its session is as old as can be when the last thing that was heard of it is a keep-alive.
    stage.aims.keepAlive.set(host, () => {
      for (const node of stage.nodes) stage.network.cut(host, node.host);
    });
    later(stage, random, 1000, 5000, () => {
      for (const node of stage.nodes) {
        stage.network.heal(host, node.host);
        Object.assign(stage.network.link(node.host, host), { delay: { ...stage.network.usual.delay } });
      }
    });
    return true;
  },
  "client pauses": (stage, random) => {
    const up = stage.clients.filter((client) => client.up);
    if (up.length === 0) return false;
    const { host } = random.pick(up);
    host.pause(random.chance(0.5));
    later(stage, random, 50, random.chance(0.2) ? 8000 : 1000, () => host.resume());
    return true;
  },
  ...PLOTS,
  ...INSTANTS,
};

/**
 * What no protocol on this many copies bears, and is therefore never drawn, only asked for by name: a disk that calls
 * durable what is not, and forgets it when the power goes.
 */
export const DEMANDED_FAULTS: Readonly<Record<string, Fault>> = {
  "lost fsync": onNode((node, stage, random) => {
    node.disk.liesAboutSync = true;
    later(stage, random, 50, 1000, () => {
      node.die("power");
      node.disk.liesAboutSync = false;
      startLater(node, stage, random);
    });
  }),
};

/** Begins faults at moments of chance until it is told to stop. */
export class Trouble {
  readonly #stage: Stage;
  readonly #random: Random;
  readonly #kinds: readonly (readonly [number, string])[];
  readonly #everyMs: number;
  #over = false;

  constructor(stage: Stage, random: Random, kinds: readonly string[], everyMs: number) {
    this.#stage = stage;
    this.#random = random;
    this.#kinds = kinds.map((kind) => [random.between(0.2, 1), kind] as const);
    this.#everyMs = everyMs;
    if (this.#kinds.length > 0) this.#plan();
  }

  stop(): void {
    this.#over = true;
  }

  #plan(): void {
    this.#stage.world.after(this.#random.between(0, 2 * this.#everyMs), () => {
      if (this.#over) return;
      this.#strike();
      this.#plan();
    });
  }

  #strike(): void {
    const { story } = this.#stage.world;
    const kind = this.#random.weighted(this.#kinds);
    story.tell("", `-- ${kind}`);
    const fault = (FAULTS[kind] ?? DEMANDED_FAULTS[kind]) as Fault;
    if (fault(this.#stage, this.#random)) story.count(kind);
  }
}

/** Everything that is broken is whole again, everybody runs. */
export function heal(stage: Stage): void {
  const { network, nodes, clients, world } = stage;
  stage.healed = true;
  world.story.tell("", "-- everything heals");
  network.healAll();
  stage.aims.disarm();
  for (const node of nodes) {
    node.keptUp = true;
    node.disk.temper = QUICK_DISK;
    node.disk.full = false;
    node.disk.failsSync = false;
    node.disk.liesAboutSync = false;
    node.disk.aim(undefined);
    node.disk.unhang();
    node.host.resume();
    node.host.life?.neverMind();
    if (node.program < stage.newestProgram) node.die("kill");
    node.program = stage.newestProgram;
    node.start();
  }
  for (const client of clients) {
    client.host.resume();
    client.start();
  }
}
