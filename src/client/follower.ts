/**
 * Finds the primary and stays with it. One connection is `home`; while that is not the primary's, or the primary cannot
 * serve, a `scout` looks for a better one, and home's news are heard meanwhile.
 * @module
 */
import type { News, ServerMessage } from "../protocol/client-messages.ts";
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import { type Hello, PROTOCOL_LEAST, PROTOCOL_NEWEST, type Welcome } from "../protocol/hello.ts";
import type { MachineVersion } from "../protocol/machine.ts";
import type { Transport } from "../protocol/transport.ts";
import type { ClusterId } from "../protocol/view.ts";
import type { Addresses } from "./addresses.ts";
import { Backoff } from "./backoff.ts";
import { Link, type LinkEnd, type LinkOwner } from "./link.ts";

export interface FollowerOwner {
  /** There is a new home: nothing has been sent on it yet. */
  arrived(): void;
  /** Home is gone: what was sent and not answered is to be sent again. */
  left(): void;
  /** Home is the primary, and it is worth a try even if it refused a moment ago. */
  woken(): void;
  /** From home only; news are not among it. */
  received(message: ServerMessage): void;
  frameDone(): void;
  /** Every known address refuses this client for good. */
  refusedEverywhere(error: ViewstampError): void;
  /** Whether something sent to home has no answer yet. */
  isWaiting(): boolean;
}

export interface FollowerOptions {
  readonly transport: Transport;
  readonly environment: Environment;
  readonly addresses: Addresses;
  readonly machines: readonly MachineVersion[];
  readonly silenceMs: number;
}

/** How long a node may take from the dial to its first news; doubled after each round in which all were silent. */
const HELLO_MS = 500;
const MAX_HELLO_MS = 4000;
/** A primary that answers BUSY for this long may be cut off from the others: ask them. */
const DOUBT_MS = 200;
/** Every address refuses this client: how long until all are asked anew. */
const REFUSED_PAUSE_MS = 1000;

export class Follower implements LinkOwner {
  readonly #options: FollowerOptions;
  readonly #owner: FollowerOwner;
  readonly #backoff: Backoff;
  #home: Link | undefined;
  /** The newest news that home itself has sent. */
  #homeNews: News | undefined;
  #homeToldAt = 0;
  #scout: Link | undefined;
  /** The newest of all news. */
  #news: News | undefined;
  #retry: Timer | undefined;
  #closed = false;
  /** `disowned`: it said NOTPRIMARY although the news say that it is. `doubted`: it is BUSY. */
  #trust: "trusted" | "doubted" | "disowned" = "trusted";
  /** The primary's address failed since the newest news: look elsewhere first. */
  #failedPrimary: string | undefined;
  /** Home was lost: the next address to try is another one. */
  #lostHome: string | undefined;
  /** Nodes in a row that did not finish their hello in time. */
  #silent = 0;
  /**
   * Of the cluster that has done something for this client. What a node alone says before may come to nothing: a founder that
   * loses its disk founds another.
   */
  #clusterId: ClusterId | undefined;

  constructor(options: FollowerOptions, owner: FollowerOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#backoff = new Backoff(options.environment);
  }

  /** The connection to talk over, to the primary or not; `undefined` while no node has accepted this client. */
  get home(): Link | undefined {
    return this.#home;
  }

  /** Whether home is the primary, as far as anyone has said. */
  get isAtPrimary(): boolean {
    const welcome = this.#home?.welcome;
    return welcome !== undefined && this.#trust !== "disowned" && this.#news?.primary === welcome.node.id;
  }

  start(): void {
    this.#look();
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRetry();
    this.#dropScout(reason);
    this.#home?.drop(reason);
    this.#home = undefined;
  }

  /** The primary did what it was asked: there is no doubt, and the next trouble is met without delay. */
  progress(): void {
    this.#clusterId ??= this.#home?.welcome?.clusterId;
    this.#backoff.reset();
    if (this.#trust !== "doubted") return;
    this.#trust = "trusted";
    this.#look();
  }

  /** Home answered BUSY as the primary. */
  doubt(): void {
    if (this.#closed || !this.isAtPrimary || this.#trust === "doubted") return;
    this.#trust = "doubted";
    if (this.#scout === undefined) this.#lookAfter(DOUBT_MS);
  }

  /** Home answered NOTPRIMARY. */
  disown(): void {
    if (this.#closed || !this.isAtPrimary) return;
    this.#trust = "disowned";
    this.#look();
  }

  welcomed(link: Link, welcome: Welcome): void {
    const { clusterId } = welcome;
    if (clusterId !== undefined && this.#clusterId !== undefined && clusterId !== this.#clusterId) {
      const reason = `${link.url} is of cluster ${clusterId}, this client began with ${this.#clusterId}`;
      const rejection = new ViewstampError("WrongCluster", reason, { data: { url: link.url } });
      link.drop(reason, true);
      this.ended(link, { kind: "rejected", reason, rejection });
      return;
    }
    this.#options.addresses.welcomed(link.url, welcome.node.id);
  }

  received(link: Link, message: ServerMessage): void {
    if (message.type === "news") this.#told(link, message);
    else if (link === this.#home) this.#owner.received(message);
  }

  frameDone(link: Link): void {
    if (link === this.#home) this.#owner.frameDone();
  }

  isWaiting(link: Link): boolean {
    return link === this.#home && this.#owner.isWaiting();
  }

  ended(link: Link, end: LinkEnd): void {
    if (this.#closed) return;
    const { addresses } = this.#options;
    if (this.#news !== undefined && addresses.ofPrimary(this.#news) === link.url) this.#failedPrimary = link.url;
    addresses.failed(link.url, end.reason, end.rejection);
    if (link === this.#scout) {
      this.#scout = undefined;
      if (end.kind === "silent") this.#silent++;
    }
    if (link === this.#home) {
      this.#lostHome = link.url;
      this.#home = undefined;
      this.#homeNews = undefined;
      this.#trust = "trusted";
      this.#owner.left();
    }
    const rejection = this.#home === undefined ? addresses.rejection() : undefined;
    if (rejection === undefined) this.#look();
    else this.#refusedEverywhere(rejection);
  }

  #refusedEverywhere(error: ViewstampError): void {
    this.#options.addresses.forgetRejections();
    this.#backoff.reset();
    this.#lookAfter(REFUSED_PAUSE_MS);
    this.#owner.refusedEverywhere(error);
  }

  #told(link: Link, news: News): void {
    const known = this.#news?.vid ?? -1;
    if (news.vid >= known) this.#news = news;
    if (news.vid > known) {
      this.#options.addresses.learn(news);
      this.#failedPrimary = undefined;
      this.#trust = "trusted";
      this.#backoff.reset();
    }
    if (link === this.#scout) this.#judge(link, news);
    else if (link === this.#home) this.#toldAtHome(link, news);
    this.#look();
  }

  #toldAtHome(home: Link, news: News): void {
    this.#homeNews = news;
    this.#homeToldAt = this.#options.environment.now();
    if (this.#trust === "disowned" && news.primary === home.welcome?.node.id) this.#trust = "trusted";
    if (this.isAtPrimary) this.#owner.woken();
  }

  /** Moves to the scout if it is the primary or knows more than home does. */
  #judge(scout: Link, news: News): void {
    this.#scout = undefined;
    const isPrimary = news.primary === scout.welcome?.node.id && news.vid === this.#news?.vid;
    const former = this.#home;
    const isElsewhere = former !== undefined && former.url !== scout.url;
    if (isElsewhere && !isPrimary && news.vid <= (this.#homeNews?.vid ?? -1)) {
      scout.drop("knows no more than another node");
      // The news are old: whoever they call the primary is one no more, and home may be long dead without a word.
      if (this.#news !== undefined && this.#options.addresses.ofPrimary(this.#news) === scout.url)
        this.#failedPrimary = scout.url;
      if (news.primary === former.welcome?.node.id) this.#reown();
      return;
    }
    this.#home = scout;
    this.#homeNews = news;
    this.#homeToldAt = this.#options.environment.now();
    this.#trust = "trusted";
    this.#failedPrimary = undefined;
    this.#silent = 0;
    scout.settled();
    if (former !== undefined) {
      this.#owner.left();
      former.drop("moving to another node");
    }
    this.#owner.arrived();
  }

  /** Nobody knows a better one: home is asked again. */
  #reown(): void {
    if (this.#trust !== "disowned") return;
    this.#trust = "doubted";
    this.#owner.woken();
  }

  /** Sees to it that home is a primary without doubt, or that something is on its way to find one. */
  #look(): void {
    if (this.#closed) return;
    if (this.isAtPrimary && this.#trust === "trusted") {
      this.#dropScout("not needed");
      this.#cancelRetry();
      return;
    }
    const primary = this.#primaryToTry();
    if (this.#scout !== undefined && (primary === undefined || primary === this.#scout.url)) return;
    this.#dropScout("the primary is elsewhere");
    const wait = this.#trust === "doubted" ? DOUBT_MS : this.#backoff.delay();
    if (wait === 0) this.#dial();
    else if (this.#retry === undefined) this.#lookAfter(wait);
  }

  #lookAfter(ms: number): void {
    this.#cancelRetry();
    this.#retry = this.#options.environment.setTimer(ms, () => {
      this.#retry = undefined;
      this.#dial();
    });
  }

  #dial(): void {
    this.#cancelRetry();
    this.#backoff.tried();
    const { addresses, environment, silenceMs, transport } = this.#options;
    const url = this.#primaryToTry() ?? addresses.next(this.#homeToPass() ?? this.#lostHome);
    this.#lostHome = undefined;
    if (url === undefined) {
      this.#reown();
      this.#look();
      return;
    }
    const rounds = Math.floor(this.#silent / addresses.size);
    const helloMs = Math.min(MAX_HELLO_MS, HELLO_MS * 2 ** Math.min(rounds, 10));
    this.#scout = new Link(transport, environment, { url, hello: this.#hello(), helloMs, silenceMs }, this);
  }

  /**
   * The home that need not be dialed anew. One that is not asked anything, because it is no primary, may have died without a
   * word: after a long silence a new connection tells.
   */
  #homeToPass(): string | undefined {
    const { environment, silenceMs } = this.#options;
    const home = this.#home;
    const isAsked = home !== undefined && this.#news?.primary === home.welcome?.node.id;
    return isAsked || environment.now() - this.#homeToldAt < silenceMs ? home?.url : undefined;
  }

  #hello(): Hello {
    return {
      protocol: { least: PROTOCOL_LEAST, newest: PROTOCOL_NEWEST },
      role: "client",
      clusterId: this.#clusterId,
      node: undefined,
      machines: this.#options.machines.map(({ name, version }) => ({ name, versions: [version] })),
      options: undefined,
      authentication: undefined,
    };
  }

  /** Where the news say the primary is, unless that is known to be of no use. */
  #primaryToTry(): string | undefined {
    if (this.#news === undefined || this.#trust !== "trusted") return undefined;
    const url = this.#options.addresses.ofPrimary(this.#news);
    return url === this.#failedPrimary || url === this.#home?.url ? undefined : url;
  }

  #dropScout(reason: string): void {
    this.#scout?.drop(reason, true);
    this.#scout = undefined;
  }

  #cancelRetry(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
  }
}
