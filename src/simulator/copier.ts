/**
 * An operator who asks for copies of the state while things go wrong, and for one more when all is well.
 * @module
 */
import { type CopiedState, copyState } from "../client/backup.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { Network } from "./network.ts";
import { Host, type Life } from "./process.ts";
import type { Random } from "./random.ts";
import { sleeper } from "./sim-client.ts";

/** A whole copy. */
export interface Copy extends Pick<CopiedState, "at" | "machines"> {
  readonly chunks: readonly Uint8Array[];
}

export interface CopierSetup {
  readonly network: Network;
  readonly urls: readonly string[];
  /** How much is committed now. */
  readonly committedThrough: () => number;
  /** One is complete, which was asked for when so much was committed. */
  readonly taken: (copy: Copy, askedThrough: number) => void;
  /** An error that no operator may ever meet. */
  readonly unexpected: (error: unknown) => void;
}

const AGAIN_MS = 200;
/** An operator may give up in the middle, or his machine may. */
const GIVES_UP = 0.1;
const LONGEST_MS = 300;

export class Copier {
  readonly #setup: CopierSetup;
  readonly #host: Host;
  readonly #random: Random;
  #insists = false;

  constructor(setup: CopierSetup) {
    this.#setup = setup;
    const { world } = setup.network;
    this.#host = new Host(world, "operator", { promises: true });
    this.#random = world.random.fork("copies");
  }

  /** Asks for so many within this time. */
  begin(copies: number, startMs: number, troubleMs: number): void {
    const { world } = this.#setup.network;
    for (let copy = 0; copy < copies; copy++) {
      world.after(this.#random.between(startMs, troubleMs), () => {
        if (this.#host.life !== undefined || this.#insists) return;
        const life = this.#start(() => this.#host.die("kill"));
        const givesUp = (): void => {
          if (this.#host.life === life) this.#host.die("kill");
        };
        if (this.#random.chance(GIVES_UP)) world.after(this.#random.between(0, LONGEST_MS), givesUp);
      });
    }
  }

  /** Asks until one is taken; gives whether it is. */
  insist(): () => boolean {
    this.#insists = true;
    let isTaken = false;
    const ask = (): void => {
      this.#host.die("kill");
      this.#start((copy) => {
        isTaken = copy !== undefined;
        if (!isTaken) this.#setup.network.world.after(AGAIN_MS, ask);
      });
    };
    ask();
    return () => isTaken;
  }

  end(): void {
    this.#host.die("kill");
  }

  #start(done: (copy: Copy | undefined) => void): Life {
    return this.#host.start((life) => {
      const patience = { timeoutMs: this.#random.pick([500, 5000]), slowMs: this.#random.pick([0, 5, 50, 300]) };
      this.#take(life, patience).then(done);
    });
  }

  async #take(life: Life, patience: { timeoutMs: number; slowMs: number }): Promise<Copy | undefined> {
    const { network, urls, committedThrough, taken, unexpected } = this.#setup;
    const { story } = network.world;
    const askedThrough = committedThrough();
    const chunks: Uint8Array[] = [];
    const sleep = sleeper(life);
    const take = (chunk: Uint8Array): Promise<void> => {
      chunks.push(chunk.slice());
      return sleep(this.#random.between(0, patience.slowMs));
    };
    try {
      const transport = network.transport(life);
      const { timeoutMs } = patience;
      const { at, machines } = await copyState({ cluster: urls, environment: life, transport, timeoutMs, take });
      story.count("copy taken");
      story.tell("operator", `has a copy of the state at ${at.vid}.${at.seqno}`);
      const copy = { at, machines, chunks };
      taken(copy, askedThrough);
      return copy;
    } catch (error) {
      story.count(chunks.length > 0 ? "copy interrupted" : "copy refused");
      story.tell("operator", `gets no copy: ${String(error)}`);
      if (!isExpected(error)) unexpected(error);
      return undefined;
    }
  }
}

/** `InvalidInput`: the primary has lost its place, and with it the copy. */
const EXPECTED: readonly string[] = ["NoQuorum", "Timeout", "Busy", "InvalidInput"];

function isExpected(error: unknown): boolean {
  return error instanceof ViewstampError && EXPECTED.includes(error.code);
}
