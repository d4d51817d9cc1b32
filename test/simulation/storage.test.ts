// The log storage keeps the contract on the simulator's disk, whatever the order and time in which that disk does things.

import { QUICK_DISK, SimDisk, SLOW_DISK } from "../../src/simulator/disk.ts";
import { Host, type Life } from "../../src/simulator/process.ts";
import { World } from "../../src/simulator/world.ts";
import type { Disk } from "../../src/storage/disk.ts";
import { logStorage } from "../../src/storage/log-storage.ts";
import { testStorage } from "../storage/conformance.ts";

/** A world in which time passes whenever somebody waits for the disk. */
class Bench {
  readonly #world: World;
  readonly #life: Life;
  readonly #disk: SimDisk;
  #isRunning = false;

  constructor(seed: number) {
    this.#world = new World(seed);
    const host = new Host(this.#world, "a", { promises: true });
    this.#disk = new SimDisk(host);
    this.#disk.temper = seed % 2 === 0 ? QUICK_DISK : SLOW_DISK;
    this.#life = host.start(() => {});
  }

  start(): ReturnType<typeof logStorage> {
    return logStorage({
      disk: this.#watched(this.#disk.for(this.#life)),
      randomId: () => this.#life.randomId(),
      defer: (callback) => {
        this.#world.after(0, () => this.#life.enter(callback));
        this.#goOn();
      },
      segmentBytes: 500,
    });
  }

  /** The disk, with time going on after each call. */
  #watched(disk: Disk): Disk {
    return new Proxy(disk, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          this.#goOn();
          return value.apply(
            target,
            args.map((one) => this.#watchedFile(one)),
          );
        };
      },
    });
  }

  /** A callback that is given a file is given a watched one. */
  #watchedFile(argument: unknown): unknown {
    if (typeof argument !== "function") return argument;
    return (error: unknown, value: unknown) => {
      const isFile = typeof value === "object" && value !== null && "append" in value;
      argument(error, isFile ? this.#watched(value as never) : value);
    };
  }

  #goOn(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    queueMicrotask(async () => {
      while (this.#world.planned > 0) await this.#world.run(this.#world.now + 1000);
      this.#isRunning = false;
    });
  }
}

let seed = 0;

testStorage({
  name: "log on the simulator's disk",
  make: () => {
    const bench = new Bench(++seed);
    return () => bench.start();
  },
  runs: 100,
});
