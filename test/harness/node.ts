// One node as a process of its own, for tests: what `viewstamp serve --json` runs, with a control channel on stdin and
// faults on its network. It waits for `start`, so that a test can keep a loaded process ready. It ends when its stdin
// does: a node must not outlive the test.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { builtInMachines } from "../../src/entry/cli/built-in.ts";
import { factOf } from "../../src/entry/cli/facts.ts";
import { systemEnvironment } from "../../src/entry/environment.ts";
import { type Replica, startReplica } from "../../src/entry/replica.ts";
import type { Storage } from "../../src/protocol/storage.ts";
import type { Transport } from "../../src/protocol/transport.ts";
import type { ReplicaEvent } from "../../src/replica/contract.ts";
import { fileDisk } from "../../src/storage/file-disk.ts";
import { logStorage } from "../../src/storage/log-storage.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import { webSocket } from "../../transports/websocket.ts";
import { basket1, basket2 } from "./basket.ts";
import type { Fact, NodeOptions, NumberedOrder, TrapAction } from "./control.ts";
import { FaultyDisk } from "./faulty-disk.ts";
import { FaultyTransport } from "./faulty-transport.ts";
import { PauseProbe } from "./pause-probe.ts";
import { tally } from "./tally.ts";
import { Traps } from "./traps.ts";

class Node {
  #network: FaultyTransport | undefined;
  #disk: FaultyDisk | undefined;
  #replica: Replica | undefined;
  readonly #traps = new Traps(
    (action) => this.#act(action),
    (name) => tell({ event: "trapped", name }),
  );

  async obey(order: NumberedOrder): Promise<void> {
    switch (order.do) {
      case "start":
        return this.#start(order.options);
      case "stop":
        return this.#replica?.stop();
      case "cut":
        return this.#network?.cut(order.peer, order.direction);
      case "heal":
        return this.#network?.heal(order.peer);
      case "disk":
        return this.#disk?.set(order.fault);
      case "trap":
        return this.#traps.lay(order.trap);
    }
  }

  async #start(options: NodeOptions): Promise<void> {
    const { id, cluster, listen, data, core, program } = options;
    this.#replica = await startReplica({
      id,
      cluster,
      listen,
      machines: [...builtInMachines, tally, program === 1 ? basket1 : basket2],
      transport: this.#transportFor(cluster),
      storage: this.#storageFor(data),
      observer: (event) => this.#happened(id, event),
      ...core,
    });
  }

  #transportFor(cluster: NodeOptions["cluster"]): Transport {
    this.#network = new FaultyTransport(webSocket(), cluster, this.#traps);
    return this.#network;
  }

  #storageFor(data: string | undefined): Storage {
    if (data === undefined) return memoryStorage();
    this.#disk = new FaultyDisk(fileDisk(data));
    const { randomId } = systemEnvironment;
    return logStorage({ disk: this.#disk, randomId: () => randomId(), defer: (callback) => setImmediate(callback) });
  }

  #happened(id: string, event: ReplicaEvent): void {
    tell(factOf(id, event));
    if (this.#traps.any) this.#traps.see({ at: "happened", peer: undefined, what: event });
    if (event.event === "stopped") process.exitCode = event.error === undefined ? 0 : 1;
  }

  #act(action: TrapAction): void {
    if (action.do === "kill") process.kill(process.pid, "SIGKILL");
    else this.#network?.cut(action.peer, action.direction);
  }
}

/** Written at once: a node that is killed next has said what it did. */
function tell(fact: Fact): void {
  writeSync(1, `${JSON.stringify(fact)}\n`);
}

const node = new Node();
const lines = createInterface({ input: process.stdin });

lines.on("line", (line) => {
  const order = JSON.parse(line) as NumberedOrder;
  node.obey(order).then(
    () => tell({ event: "obeyed", order: order.order }),
    (error: Error & { code?: string }) =>
      tell({ event: "disobeyed", order: order.order, code: error.code, text: error.message }),
  );
});
lines.on("close", () => process.exit());

/** `VIEWSTAMP_PAUSES=20` tells of whatever holds the event loop for more than 20 ms. */
const pauseMs = Number(process.env["VIEWSTAMP_PAUSES"] ?? 0);
if (pauseMs > 0) new PauseProbe(pauseMs, (pause) => tell({ event: "paused", at: Date.now(), ...pause }));

tell({ event: "ready" });
