/**
 * The lock tester as a load: tasks that take locks, act while they hold them, and give them back. At every act nobody else
 * may believe to hold the same lock.
 * @module
 */
import type { ClientCore } from "../../client/contract.ts";
import type { LockClient } from "../../locks/client.ts";
import { Use } from "../../locks/client-claim.ts";
import type { Lock, LockMode } from "../../locks/client-types.ts";
import { ClusterLocks } from "../../locks/cluster-locks.ts";
import type { LockNotice } from "../../locks/machine-words.ts";
import type { Random } from "../random.ts";
import type { Inside } from "./believers.ts";
import type { Witness } from "./contract.ts";
import type { Violated } from "./lock-checks.ts";
import { isExpectedRefusal } from "./lock-refusals.ts";
import { type LockWishes, type Taken, takenOf, Wishing } from "./lock-wishes.ts";

export interface LockingOptions {
  /** How often all tasks together take a lock. */
  readonly rounds: number;
  readonly names: number;
  /** Milliseconds that a lock is held, at most. */
  readonly holdMs: number;
  readonly shared: number;
  readonly steals: boolean;
  /** How many of the clients keep locks, and how. */
  readonly cache: {
    readonly share: number;
    readonly size: number;
    readonly idleMs: number;
  };
  readonly wishes: LockWishes;
}

interface Hold {
  readonly client: number;
  /** As the cluster calls it. */
  readonly name: string;
  readonly lock: Lock;
  readonly maxHoldMs: number | undefined;
}

/** What was given out of one lock. */
interface Tokens {
  readonly seen: Set<bigint>;
  exclusive: bigint;
  any: bigint;
}

/** Of the rounds, how many begin with more tokens for a kept lock. */
const REFILLS = 0.02;
const SOON = { timeoutMs: 2000 };
/** No lock client ever comes to such numbers here. */
const FIRST_XID = 1_000_000_000;

export class Locking {
  readonly options: LockingOptions;
  readonly #now: () => number;
  readonly #violated: Violated;
  readonly #witness: Witness;
  readonly #holds: Map<string, Set<Hold>> = new Map();
  readonly #tokens: Map<string, Tokens> = new Map();
  readonly #robbed: Set<string> = new Set();
  /** Tenures of which a client has heard that they were stolen, by name and token. */
  readonly #toldRobbed: Set<string> = new Set();
  #nextXid = FIRST_XID;
  #left: number;
  granted = 0;
  lost = 0;

  constructor(options: LockingOptions, now: () => number, violated: Violated, witness: Witness) {
    this.options = options;
    this.#left = options.rounds;
    this.#now = now;
    this.#violated = violated;
    this.#witness = witness;
  }

  get left(): number {
    return this.#left;
  }

  async lane(
    client: number,
    core: ClientCore,
    locks: LockClient,
    random: Random,
    sleep: (ms: number) => Promise<void>,
  ): Promise<void> {
    const wishing = new Wishing(this.options.wishes, random.fork("wishes"));
    const refills = random.fork("refills");
    while (this.#left > 0) {
      this.#left--;
      if (refills.chance(REFILLS)) await this.#refill(client, core).catch((error: unknown) => this.#expected(error));
      await this.#round(client, locks, random, wishing, sleep);
      await sleep(random.between(0, this.options.holdMs));
    }
  }

  /** The tokens under which clients believe to hold the lock at this moment. */
  believed(name: string, inside: Inside): bigint[] {
    const holds = [...this.#holdsOf(name)];
    return holds.filter((hold) => inside(hold.client, () => believes(hold))).map(({ lock }) => lock.token);
  }

  /** A dead client believes nothing. */
  died(client: number): void {
    for (const holds of this.#holds.values())
      for (const hold of [...holds]) if (hold.client === client) holds.delete(hold);
  }

  /** The locks of one client, which may keep them after use. */
  connect(core: ClientCore, random: Random): ClusterLocks {
    const { share, size, idleMs } = this.options.cache;
    core.onNotice("locks", (notice) => this.#noticed(notice as LockNotice));
    return new ClusterLocks(core, { cache: random.chance(share) && { size, idleMs } });
  }

  #noticed({ type, name, ...said }: LockNotice): void {
    if (type === "stolen" && "token" in said) this.#toldRobbed.add(`${name} ${said.token}`);
  }

  /** A lock client asks for more tokens after millions of uses only: so they are asked for by hand. The ledger looks at them. */
  async #refill(client: number, core: ClientCore): Promise<void> {
    const said = { name: `refilled${client}`, xid: this.#nextXid++ };
    const wanted = { ...said, mode: "exclusive", owner: "", how: "wait", keep: true, ageMs: 0 };
    const { token } = (await core.execute("locks", "acquire", wanted, SOON)) as { readonly token?: bigint };
    for (let times = 0; token !== undefined && times < 2; times++)
      await core.execute("locks", "refill", { ...said, token }, SOON);
    await core.execute("locks", "cancel", said, SOON);
  }

  async #round(
    client: number,
    locks: LockClient,
    random: Random,
    wishing: Wishing,
    sleep: (ms: number) => Promise<void>,
  ): Promise<void> {
    if (random.chance(0.03)) await locks.query({ timeoutMs: 2000 }).catch((error: unknown) => this.#expected(error));
    const name = `lock${random.integer(1, this.options.names)}`;
    const mode: LockMode = random.chance(this.options.shared) ? "shared" : "exclusive";
    const askedAt = this.#now();
    const taken = await this.#acquire(locks, name, mode, random, wishing);
    if (taken === null) return;
    this.granted++;
    const holds = taken.locks.map((one): Hold => ({ client, ...one, maxHoldMs: taken.maxHoldMs }));
    for (const hold of holds) this.#takes(hold, this.#now() > askedAt);
    for (let acts = random.integer(1, 3); acts > 0; acts--) {
      if (!holds.every((hold) => this.#acts(hold))) break;
      await sleep(random.between(0, this.options.holdMs));
    }
    for (const hold of holds) this.#holdsOf(hold.name).delete(hold);
    // Sometimes it is forgotten until the client ends: with its session it comes free.
    await taken.release().catch((error: unknown) => this.#expected(error));
  }

  async #acquire(
    locks: LockClient,
    name: string,
    mode: LockMode,
    random: Random,
    wishing: Wishing,
  ): Promise<Taken | null> {
    const steal = this.options.steals && mode === "exclusive" && random.chance(0.1);
    if (steal) this.#robbed.add(name);
    const ifAvailable = !steal && random.chance(0.15);
    const impatient = !steal && !ifAvailable && random.chance(0.3);
    const timeout = impatient ? { timeoutMs: random.between(1, random.pick([20, 200, 2000])) } : {};
    const kind = steal ? "lock" : wishing.draw(this.options.names);
    const asking = { mode, ifAvailable, ...timeout };
    try {
      if (kind === "group") return await wishing.group(locks, this.#names, asking);
      if (kind === "permit") return await wishing.permit(locks, "permits", asking);
      const terms = wishing.terms(mode);
      const isPlain = mode === "exclusive" && !steal && !ifAvailable && !impatient && Object.keys(terms).length === 0;
      // Whoever has nothing to say says nothing: that is the fastest way.
      const lock = await (isPlain ? locks.acquire(name) : locks.acquire(name, { ...asking, steal, ...terms }));
      return lock === null ? null : takenOf(lock, name, terms.maxHoldMs);
    } catch (error) {
      this.#expected(error);
      return null;
    }
  }

  get #names(): string[] {
    return Array.from({ length: this.options.names }, (_, index) => `lock${index + 1}`);
  }

  /**
   * A grant is news: its token is new and greater than all that it must exclude. Whoever has waited for it and was not told
   * otherwise may rely on it at once, without a look at the clock, which asking its signal is. (What is kept is taken after
   * a look at the wall clock that may be a millisecond old: time enough for the machine to sleep.)
   */
  #takes(hold: Hold, hasWaited: boolean): void {
    const { name } = hold;
    const { mode, token } = hold.lock;
    this.#holdsOf(name).add(hold);
    const mayRely = hasWaited && hold.lock instanceof Use && !hold.lock.isOver;
    if (!hold.lock.signal.aborted || mayRely) this.#witness.acts(hold.client, name, token);
    let tokens = this.#tokens.get(name);
    if (tokens === undefined) this.#tokens.set(name, (tokens = { seen: new Set(), exclusive: -1n, any: -1n }));
    if (tokens.seen.has(token)) this.#violated(13, `token ${token} of ${name} is given out twice`);
    const bound = mode === "exclusive" ? tokens.any : tokens.exclusive;
    if (token <= bound && !this.#robbed.has(name) && believes(hold))
      this.#violated(13, `token ${token} of ${name} (${mode}) comes after ${bound}`);
    tokens.seen.add(token);
    if (token > tokens.any) tokens.any = token;
    if (mode === "exclusive" && token > tokens.exclusive) tokens.exclusive = token;
  }

  /** Whether it still believes to hold the lock; then nobody else may. */
  #acts(hold: Hold): boolean {
    if (!believes(hold)) {
      this.lost++;
      if (!hold.lock.signal.aborted) this.#violated(13, `${hold.lock.name} is lost and its signal is not aborted`);
      return false;
    }
    const { name, maxHoldMs = Number.POSITIVE_INFINITY } = hold;
    const { mode, token, age } = hold.lock;
    if (age >= maxHoldMs) this.#violated(13, `${name} is held for ${age} ms, and ${maxHoldMs} was the most`);
    this.#witness.acts(hold.client, name, token);
    if (this.#toldRobbed.has(`${name} ${token}`))
      this.#violated(
        13,
        `client ${hold.client} acts under ${name} with token ${token}, and was told that it was robbed`,
      );
    if (this.#robbed.has(name)) return true;
    this.#checkPermits(name);
    for (const other of this.#holdsOf(name)) {
      if (other === hold || (mode === "shared" && other.lock.mode === "shared") || !believes(other)) continue;
      this.#violated(
        12,
        `client ${hold.client} (${mode}, token ${token}) and client ${other.client} (${other.lock.mode}, token ${other.lock.token}) both hold ${name}`,
      );
    }
    return true;
  }

  #checkPermits(name: string): void {
    const { permits } = this.options.wishes;
    if (name.startsWith("lock")) return;
    const count = [...this.#holdsOf(name)].filter(believes).length;
    if (count > permits) this.#violated(12, `${count} clients hold ${name}, which has ${permits} permits`);
  }

  #holdsOf(name: string): Set<Hold> {
    let holds = this.#holds.get(name);
    if (holds === undefined) this.#holds.set(name, (holds = new Set()));
    return holds;
  }

  #expected(error: unknown): void {
    if (isExpectedRefusal(error)) return;
    if (error instanceof Error && error.name === "AbortError") return;
    this.#violated(12, `a lock client was given ${String(error)}`);
  }
}

function believes({ lock }: Hold): boolean {
  try {
    lock.assertHeld();
    return true;
  } catch {
    return false;
  }
}
