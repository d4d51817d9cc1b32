// One node of a cluster under test, over all its lives: a life is a process, from its start to its end.
import { join } from "node:path";
import { type Runtime, root } from "../runtimes.ts";
import { Child } from "./child.ts";
import type { DiskFault, Fact, NodeOptions, Order, Trap } from "./control.ts";
import { HANG_MS, PROCESS_START_MS, STEP_MS, within } from "./within.ts";

const program = join(root, "test/harness/node.ts");

/** What the node has said of its place in the cluster in this life. */
export interface Standing {
  readonly vid: number;
  readonly members: readonly string[];
  readonly primary: string;
  /** A primary that takes requests, or a backup that is level. */
  readonly settled: boolean;
}

export class NodeProcess {
  readonly id: string;
  readonly runtime: Runtime;
  readonly #options: () => NodeOptions;
  #life: Child | undefined;
  /** Loaded and waiting for its start. */
  #spare: Child | undefined;
  #orders = 0;
  readonly #pastLives: Child[] = [];

  constructor(id: string, runtime: Runtime, options: () => NodeOptions) {
    this.id = id;
    this.runtime = runtime;
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#life !== undefined && !this.#life.ended;
  }

  get url(): string {
    return this.#options().listen;
  }

  /** Loads a process that can start at once: with it, a restart takes a few milliseconds. */
  async warmUp(): Promise<void> {
    this.#spare ??= new Child(this.id, this.runtime, program);
    await within(
      PROCESS_START_MS,
      `${this.id} loads`,
      this.#spare.waitFor(({ event }) => event === "ready"),
    );
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    if (this.isUp) throw new Error(`${this.id} is up already`);
    await this.warmUp();
    if (this.#life !== undefined) this.#pastLives.push(this.#life);
    this.#life = this.#spare!;
    this.#spare = undefined;
    await this.#order({ do: "start", options: this.#options() });
  }

  /** SIGKILL. Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#alive().signal("SIGKILL");
    await this.ended();
  }

  /** Resolves when the process is gone, killed by whom ever. */
  async ended(limitMs: number = HANG_MS): Promise<void> {
    if (this.#life === undefined) throw new Error(`${this.id} was never started`);
    await within(limitMs, `${this.id} ends`, this.#life.exited);
  }

  /** SIGSTOP: it stands still, its connections stay open. */
  pause(): void {
    this.#alive().signal("SIGSTOP");
  }

  resume(): void {
    this.#alive().signal("SIGCONT");
  }

  /** A graceful stop: it hands over first. Resolves when it has stopped. */
  async stop(): Promise<void> {
    await this.#order({ do: "stop" });
    await this.happened("stopped");
  }

  cut(peer: string, direction: "out" | "in" | "both" = "both"): Promise<void> {
    return this.#order({ do: "cut", peer, direction });
  }

  heal(peer: string): Promise<void> {
    return this.#order({ do: "heal", peer });
  }

  /** What its disk does from now on; `undefined`: it is whole again. */
  disk(fault: DiskFault | undefined): Promise<void> {
    return this.#order({ do: "disk", fault });
  }

  trap(trap: Trap): Promise<void> {
    return this.#order({ do: "trap", trap });
  }

  /** Waits until the trap has sprung. */
  async trapped(name: string, limitMs: number = STEP_MS): Promise<void> {
    const sprung = this.#started().waitFor((fact) => fact.event === "trapped" && fact["name"] === name);
    await within(limitMs, `${this.id} is trapped: ${name}`, sprung);
  }

  /** Waits until something has happened to it in this life. */
  happened(event: string, matches: (fact: Fact) => boolean = () => true, limitMs: number = STEP_MS): Promise<Fact> {
    const fact = this.#started().waitFor((one) => one.event === event && matches(one));
    return within(limitMs, `${this.id} tells of "${event}"`, fact);
  }

  /** Waits for so long, and fails if such a thing happens meanwhile. That nothing happens can only be waited for. */
  async keepsSilentAbout(event: string, forMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), forMs);
    });
    const told = this.#started().waitFor((one) => one.event === event, this.facts.length);
    // The child may end long after this wait.
    told.catch(() => {});
    const fact = await Promise.race([silence, told]).finally(() => clearTimeout(timer));
    if (fact !== undefined) throw new Error(`${this.id} tells of "${event}": ${JSON.stringify(fact)}`);
  }

  /** Waits for a new fact after which `holds` is true of what it has said so far. */
  async until(holds: (node: NodeProcess) => boolean): Promise<void> {
    while (!holds(this)) {
      const seen = this.facts.length;
      await this.#started().waitFor(() => true, seen);
    }
  }

  /** What it told in this life. */
  get facts(): readonly Fact[] {
    return this.#life?.facts ?? [];
  }

  /** The newest view it spoke of in this life, and whether it is settled in it. */
  get standing(): Standing | undefined {
    const vid = Math.max(...this.facts.filter(tellsOfView).map((fact) => fact["vid"] as number));
    return this.#everyView.findLast((view) => view.vid === vid);
  }

  /** The views it told of in this life. */
  get views(): Standing[] {
    return this.#viewsIn(this.facts);
  }

  /** A restarted node says where it stands in a view that it told of in an earlier life. */
  get #everyView(): Standing[] {
    return this.#viewsIn([...this.#pastLives.flatMap(({ facts }) => facts), ...this.facts]);
  }

  #viewsIn(facts: readonly Fact[]): Standing[] {
    return facts
      .filter(({ event }) => event === "view")
      .map((fact) => {
        const { vid, members, primary } = fact as unknown as Omit<Standing, "settled">;
        return { vid, members, primary, settled: this.#isSettled(vid, primary) };
      });
  }

  #isSettled(vid: number, primary: string): boolean {
    const level = primary === this.id ? "active" : "following";
    return this.facts.some((fact) => fact.event === level && fact["vid"] === vid);
  }

  /** Everything it said in all its lives, for a person who looks for the cause of a failure. */
  story(): string {
    return [...this.#pastLives, this.#life, this.#spare]
      .filter((life) => life !== undefined)
      .map((life, index) => {
        const facts = life.facts.filter(({ event }) => !["path", "obeyed", "paused"].includes(event));
        const lines = facts.map((fact) => `    ${JSON.stringify(fact)}`);
        const complaints = life.complaints === "" ? [] : life.complaints.trimEnd().split("\n");
        return [`  ${this.id}, life ${index + 1} (${this.runtime.name})`, ...lines, ...complaints].join("\n");
      })
      .join("\n");
  }

  /** Ends its processes, paused ones too. Resolves when they are gone. */
  async dispose(): Promise<void> {
    const living = [this.#life, this.#spare].filter((one) => one !== undefined && !one.ended);
    for (const child of living) child!.signal("SIGKILL");
    await Promise.all(living.map((child) => child!.exited));
  }

  async #order(order: Order): Promise<void> {
    const life = this.#alive();
    const number = ++this.#orders;
    life.say({ ...order, order: number });
    const answer = life.waitFor((fact) => fact["order"] === number);
    const { event, text } = await within(PROCESS_START_MS, `${this.id} obeys ${order.do}`, answer);
    if (event !== "obeyed") throw new Error(`${this.id} cannot ${order.do}: ${text}`);
  }

  #started(): Child {
    if (this.#life === undefined) throw new Error(`${this.id} was never started`);
    return this.#life;
  }

  #alive(): Child {
    if (!this.isUp) throw new Error(`${this.id} is not up`);
    return this.#started();
  }
}

function tellsOfView({ event }: Fact): boolean {
  return event === "view" || event === "active" || event === "following";
}
