/**
 * The addresses a client knows, those it was given first, and how each answered last.
 * @module
 */
import type { News } from "../protocol/client-messages.ts";
import type { ViewstampError } from "../protocol/errors.ts";
import type { NodeId } from "../protocol/view.ts";
import { canonicalUrl, type GivenAddress } from "./options.ts";

interface Known {
  /** As it is dialed. */
  readonly url: string;
  /** Why the last attempt came to nothing; `undefined` after a welcome and before the first attempt. */
  failure: string | undefined;
  /** It failed because the node there refuses this client for good. */
  rejection: ViewstampError | undefined;
}

/** News that name more addresses than this are cut: a client's memory is not theirs to fill. */
const MAX_LEARNED = 128;

export class Addresses {
  /** By canonical url: the given ones, then those of the newest news. */
  readonly #known = new Map<string, Known>();
  readonly #given: ReadonlySet<string>;
  /** The address under which each id was met, or was given. It wins over what news say: a proxy may be in between. */
  readonly #byId = new Map<NodeId, string>();
  #next: number;

  /** `start` in [0, 1) chooses the address that is tried first. */
  constructor(given: readonly GivenAddress[], start: number) {
    for (const { url, id } of given) {
      const name = canonicalUrl(url) ?? url;
      this.#known.set(name, { url, failure: undefined, rejection: undefined });
      if (id !== undefined) this.#byId.set(id, name);
    }
    this.#given = new Set(this.#known.keys());
    this.#next = Math.floor(start * given.length);
  }

  get size(): number {
    return this.#known.size;
  }

  /** The next address in turn that is not `except`. */
  next(except: string | undefined): string | undefined {
    const all = [...this.#known.values()];
    for (let tried = 0; tried < all.length; tried++) {
      const candidate = all[this.#next++ % all.length] as Known;
      if (candidate.url !== except) return candidate.url;
    }
    return undefined;
  }

  /** Where the primary is to be found, as far as the news tell; `undefined` while nobody knows one. */
  ofPrimary(news: News): string | undefined {
    const met = this.#known.get(this.#byId.get(news.primary) ?? "");
    const told = this.#known.get(canonicalUrl(news.primaryUrl) ?? "");
    const best = met?.failure !== undefined && told !== undefined ? told : (met ?? told);
    return best?.rejection === undefined ? best?.url : undefined;
  }

  /** Takes the addresses of newer news, beside those given, in place of those of older news. */
  learn(news: News): void {
    const told = new Map<string, string>();
    for (const url of [news.primaryUrl, ...news.urls]) {
      const name = canonicalUrl(url);
      if (name !== undefined && told.size < MAX_LEARNED) told.set(name, url);
    }
    for (const name of [...this.#known.keys()]) {
      if (!this.#given.has(name) && !told.has(name)) this.#known.delete(name);
    }
    for (const [name, url] of told) {
      if (!this.#known.has(name)) this.#known.set(name, { url, failure: undefined, rejection: undefined });
    }
  }

  welcomed(url: string, id: NodeId): void {
    const name = canonicalUrl(url) ?? url;
    const known = this.#known.get(name);
    if (known === undefined) return;
    known.failure = undefined;
    known.rejection = undefined;
    this.#byId.set(id, name);
  }

  /** The last attempt there came to nothing. `rejection`: because the node refuses this client. */
  failed(url: string, reason: string, rejection: ViewstampError | undefined): void {
    const known = this.#known.get(canonicalUrl(url) ?? url);
    if (known === undefined) return;
    known.failure = reason;
    known.rejection = rejection;
  }

  /** The last refusal, if every known address refuses this client. */
  rejection(): ViewstampError | undefined {
    let last: ViewstampError | undefined;
    for (const { rejection } of this.#known.values()) {
      if (rejection === undefined) return undefined;
      last = rejection;
    }
    return last;
  }

  /** Nodes may be restarted with what this client wants: each is asked anew before all are said to refuse. */
  forgetRejections(): void {
    for (const known of this.#known.values()) known.rejection = undefined;
  }

  /** The addresses whose last attempt came to nothing, and why. */
  missing(): { readonly url: string; readonly reason: string }[] {
    const missing: { url: string; reason: string }[] = [];
    for (const { url, failure } of this.#known.values()) {
      if (failure !== undefined) missing.push({ url, reason: failure });
    }
    return missing;
  }
}
