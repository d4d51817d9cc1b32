/**
 * One node, without hands: `step(event, now)` gives effects. It puts the layers together: decisions rise from config as
 * returned values; the newest view says whether this node leads, follows, or asks to join.
 * @module
 */
import { Config, type ConfigMessage } from "../config/config.ts";
import type { ClientMessage, News, NodeStatus } from "../protocol/client-messages.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import { SeededRandom } from "../protocol/random.ts";
import type { DurableState, SnapshotInfo } from "../protocol/storage.ts";
import {
  type ClusterId,
  type Identity,
  type Invitation,
  type Member,
  primaryOf,
  sameIdentity,
  type View,
} from "../protocol/view.ts";
import { Attendance } from "./attendance.ts";
import { AwakeClock } from "./awake-clock.ts";
import { Changes } from "./changes.ts";
import { Copies } from "./copies.ts";
import type { Durability } from "./durability.ts";
import type { CoreEvent, Effect } from "./events.ts";
import { Following } from "./following.ts";
import { Leadership } from "./leadership.ts";
import type { Log } from "./log.ts";
import { Output } from "./output.ts";
import { Reception } from "./reception.ts";
import { ReplicatedLog, type ReplicatedLogSetup } from "./replicated-log.ts";
import { newsOf, statusOf } from "./report.ts";
import { Serving } from "./serving.ts";
import type { ReplicatedState } from "./state.ts";

export interface CoreSetup extends Pick<ReplicatedLogSetup, "sliceEntries" | "restorePauseMs" | "upgrades"> {
  readonly self: Member;
  /** Every node named in the `cluster` option, this one included. */
  readonly cluster: readonly Invitation[];
  readonly options: CoreOptions;
  readonly durable: DurableState;
  /** Restored from the newest snapshot, if there is one. */
  readonly state: ReplicatedState;
  readonly seed: number;
  readonly now: number;
  /** `"node 20.20.2"`, for status. */
  readonly runtime: string;
  /** Whether this node's data was never anything but empty. */
  readonly mayFound: boolean;
}

export class Core {
  readonly options: CoreOptions;
  readonly config: Config;
  readonly output: Output = new Output();
  readonly #setup: CoreSetup;
  readonly #replica: ReplicatedLog;
  readonly #reception: Reception;
  readonly #changes: Changes;
  readonly #attendance: Attendance;
  readonly #clock: AwakeClock;
  readonly #copies: Copies;
  #following: Following | undefined;
  #leadership: Leadership | undefined;
  #serving: Serving | undefined;
  #announced: { readonly view: View | undefined; readonly active: boolean } | undefined;
  #followingTold = 0;
  /** As of the last tick. */
  #impaired = false;
  /** Writes handed out and not yet durable, oldest first, with their times. */
  #writes: { readonly write: number; readonly at: number }[] = [];
  #isHalted = false;

  constructor(setup: CoreSetup) {
    const { durable, now } = setup;
    this.#setup = setup;
    this.options = setup.options;
    const random = new SeededRandom(setup.seed);
    this.config = new Config({ ...setup, able: setup.state.machine.able, random }, this.output);
    this.#replica = new ReplicatedLog({ ...setup, config: this.config, output: this.output });
    this.#reception = new Reception(this.#replica);
    this.#changes = new Changes(this.#replica);
    this.#attendance = new Attendance(this.#replica);
    this.#clock = new AwakeClock(now, this.tickMs, 2 * setup.options.heartbeatMs);
    this.#copies = new Copies(this.#replica);
    const { view } = this.config;
    if (view !== undefined) this.#followFromDisk(view, durable);
    this.#tellPeers();
  }

  /** Say `tick` this often, in milliseconds. */
  get tickMs(): number {
    return this.options.heartbeatMs / 5;
  }

  /** Whether something waits for the end of the turn: to be written, sent, asked or acknowledged with what else came in it. */
  get awaitsTurn(): boolean {
    return (this.#leadership?.awaitsTurn || this.#serving?.awaitsTurn || this.#following?.awaitsTurn) === true;
  }

  get log(): Log {
    return this.#replica.log;
  }

  get durability(): Durability {
    return this.#replica.durability;
  }

  get state(): ReplicatedState {
    return this.#replica.state;
  }

  get commit(): number {
    return this.#replica.commit;
  }

  get snapshot(): SnapshotInfo | undefined {
    return this.#replica.snapshot;
  }

  get view(): View | undefined {
    return this.config.view;
  }

  /** The view this node leads and has activated. */
  get activeVid(): number | undefined {
    return this.#leadership?.isActive === true ? this.#leadership.view.vid : undefined;
  }

  get applied(): number {
    return this.#replica.applied;
  }

  get role(): NodeStatus["role"] {
    if (this.config.view === undefined) return "none";
    if (this.config.isPrimary()) return "primary";
    return this.config.isMember() ? "backup" : "learner";
  }

  get isTaking(): boolean {
    return this.#serving?.isTaking === true;
  }

  clusterId(mustBeDurable: boolean): ClusterId | undefined {
    return mustBeDurable && this.durability.write < this.config.clusterIdWrite ? undefined : this.config.clusterId;
  }

  news(): News {
    return newsOf(this.config.view, this.#knowsActive);
  }

  /** Whether the primary takes requests, as far as this node knows. */
  get #knowsActive(): boolean {
    return this.#serving?.isTaking ?? this.#following?.activeKnown ?? false;
  }

  status(): NodeStatus {
    const active = this.#serving?.isTaking ?? this.#following?.isLevel ?? false;
    return statusOf(this.#replica, this.#setup, this.role, active);
  }

  /** Handles one event. A broken invariant stops the node: it neither votes nor replies any more. */
  step(event: CoreEvent, at: number): readonly Effect[] {
    if (this.#isHalted) return [];
    const now = this.#clock.at(at);
    try {
      this.#dispatch(event, now);
      this.#advance(now);
      // A tick is a turn of its own: what it stamps waits for nothing.
      if (event.type === "turn" || event.type === "tick") this.#flush(now);
      this.#maybeSaveSnapshot(now);
      this.#announce();
    } catch (error) {
      this.#isHalted = true;
      this.output.drain();
      return [{ type: "halt", error: haltError(error) }];
    }
    const effects = this.output.drain();
    const first = effects[0];
    if (first?.type === "write") this.#writes.push({ write: first.write, at: now });
    return effects;
  }

  #dispatch(event: CoreEvent, now: number): void {
    switch (event.type) {
      case "linkUp":
        return this.#onLinkUp(event.peer, now);
      case "linkDown":
        this.#leadership?.linkDown(event.id, now);
        return this.config.linkDown(event.id, event.refused);
      case "heardUp":
        this.config.suspicions.heardUp(event.peer);
        return this.#learnUrl(event.peer);
      case "heardDown":
        this.config.heardDown(event.id);
        if (this.config.addresses.forgetCaller(event.id)) this.#tellPeers();
        return undefined;
      case "message":
        return this.#onMessage(event.from, event.message, now);
      case "client":
        return this.#onClient(event.client, event.message, now);
      case "clientGone":
        this.#changes.clientGone(event.client);
        this.#copies.forget(event.client);
        return this.#serving?.clientGone(event.client);
      case "durable":
        return this.#onDurable(event.write, now);
      case "chunkRead":
        return this.#leadership?.onChunkRead(event.to, event.at, event.index, event.bytes, now);
      case "chunkStored":
        return this.#following?.onChunkStored(event.at, event.index, now);
      case "snapshotInstalled":
        return this.#following?.onInstalled(event.snapshot.at);
      case "snapshotSaved":
        return this.#replica.snapshotSaved(event.snapshot, event.pauseMs);
      case "continue":
        this.#replica.continued();
        this.#serving?.continued(now);
        return this.#reception.continued();
      case "restoringTook":
        return this.#replica.restored(event.ms);
      case "tick":
        return this.#onTick(now);
      case "stop":
        return this.#attendance.stop(now);
      case "turn":
        return undefined;
    }
  }

  #onMessage(from: Identity, message: PeerMessage, now: number): void {
    const { config } = this;
    if (message.type === "heartbeat" && config.isPrimary(from)) config.liveness.setImpaired(from, message.impaired);
    config.liveness.heard(from, now);
    switch (message.type) {
      case "prepare":
      case "promise":
      case "accept":
      case "accepted":
      case "refused":
      case "decided":
      case "fetch":
      case "fresh":
      case "genesis":
        return this.#onConfigMessage(from, message, now);
      case "confirm":
        return this.#onConfirm(from, message, now);
      case "joinRefused":
        return this.#attendance.joinRefused(from, message, now);
      default:
        if (this.#isOfThisView(from, message.vid, now)) this.#onViewMessage(from, message, now);
        return undefined;
    }
  }

  #onConfigMessage(from: Identity, message: ConfigMessage, now: number): void {
    const adopted = this.config.onMessage(from, message, now);
    if (adopted !== undefined) this.#enterView(adopted, now);
  }

  /** A newer view is fetched before its messages mean anything; a node that is behind is told. */
  #isOfThisView(from: Identity, vid: number, now: number): boolean {
    const own = this.config.view?.vid ?? 0;
    if (vid > own) this.output.send(from.id, { type: "fetch", vid: own }, this.config.viewWrite);
    else if (vid < own) this.config.tellView(from.id, now);
    return vid === own;
  }

  #learnUrl(peer: Member): void {
    if (this.config.addresses.learn(peer)) this.#tellPeers();
  }

  #tellPeers(): void {
    this.output.push({ type: "peers", peers: this.config.addresses.peers() });
  }

  #onViewMessage(
    from: Identity,
    message: Exclude<PeerMessage, ConfigMessage | { type: "confirm" | "joinRefused" }>,
    now: number,
  ): void {
    const leadership = this.#leadership;
    const following = this.config.isPrimary(from) ? this.#following : undefined;
    switch (message.type) {
      case "join":
        this.#learnUrl({ ...from, url: message.url });
        return leadership?.onJoin(from, message, now);
      case "leaving":
        return leadership === undefined ? undefined : this.config.suspicions.markUnfit(from.id, "it is leaving", true);
      case "located":
        return leadership?.onLocated(from, message, now);
      case "invoked":
        return leadership?.onInvoked(from, message, now);
      case "leveled":
        return leadership?.onLeveled(from, message, now);
      case "readied":
        return leadership?.onReadied(from, message);
      case "snapshotWant":
        return leadership?.onSnapshotWant(from, message, now);
      case "confirmed":
        return this.#serving?.onConfirmed(from, message);
      case "alive":
        return undefined;
      case "locate":
        return following?.sendLocated();
      case "invoke":
        return following?.onInvoke(message);
      case "heartbeat":
        following?.onHeartbeat(message);
        return following === undefined ? undefined : this.#replica.compareHashes(message);
      case "level":
        return following?.onLevel(message);
      case "ready":
        return following?.onReady(message);
      case "snapshotOffer":
        return following?.onOffer(message, now);
      case "snapshotChunk":
        return following?.onChunk(message, now);
    }
  }

  #onConfirm(from: Identity, message: Extract<PeerMessage, { type: "confirm" }>, now: number): void {
    const reply = this.config.confirm(from, message, now);
    if (reply !== undefined) this.output.send(from.id, reply, this.config.viewWrite);
  }

  #onClient(client: number, message: ClientMessage, now: number): void {
    if (message.type === "askStatus") {
      this.output.answer(client, { type: "status", xid: message.xid, status: this.status() }, this.config.viewWrite);
      return;
    }
    if (message.type === "query" && message.consistency === "local") return this.#answerLocally(client, message);
    if (message.type === "copy" && message.next > 0) return this.#copies.next(client, message);
    const serving = this.#serving;
    if (serving === undefined) return this.#redirect(client, message);
    switch (message.type) {
      case "request":
        return serving.onRequest(client, message, now);
      case "open":
        return serving.onOpen(client, message, now);
      case "end":
        return serving.onEnd(client, message, now);
      case "query":
        return serving.onQuery(client, message);
      case "copy":
        return serving.onCopy(client, message);
      case "keepAlive":
        return serving.onKeepAlive(client, message, now);
      case "change":
        return this.#changes.onChange(client, message, now);
    }
  }

  #answerLocally(client: number, { xid, body }: Extract<ClientMessage, { type: "query" }>): void {
    const text = "this node has no state yet";
    if (this.config.view === undefined)
      this.output.answer(client, { type: "declined", xid, code: "BUSY", outcomeUnknown: false, text });
    else this.output.answer(client, { type: "answer", xid, body: this.state.query(body) });
  }

  /** This node is not a primary that leads: in a view change BUSY, else NOTPRIMARY; at once, never hanging. */
  #redirect(client: number, message: ClientMessage): void {
    const busy = this.#following?.activeKnown !== true;
    const code = busy ? "BUSY" : "NOTPRIMARY";
    const text = busy ? "a view change" : `the primary is ${this.config.view?.primary}`;
    // The refusal comes with the primary's address, in the form that clients know it from.
    if (!busy) this.output.answer(client, this.news(), this.config.viewWrite);
    if (message.type === "request") {
      const { session, number } = message;
      this.output.answer(client, { type: "requestRefused", session, number, code, outcomeUnknown: false, text });
    } else {
      this.output.answer(client, { type: "declined", xid: message.xid, code, outcomeUnknown: false, text });
    }
  }

  #onLinkUp(peer: Identity, now: number): void {
    this.config.linkUp(peer);
    this.#leadership?.linkUp(peer, now);
    const { view } = this.config;
    if (view === undefined || this.#following === undefined || !sameIdentity(primaryOf(view), peer)) return;
    if (this.config.isMember()) this.#following.sendLocated();
    else this.#attendance.joinSoon(now);
  }

  #onDurable(write: number, now: number): void {
    this.durability.durable(write);
    while ((this.#writes[0]?.write ?? Number.POSITIVE_INFINITY) <= write) this.#writes.shift();
    const adopted = this.config.onDurable(write, now);
    if (adopted !== undefined) this.#enterView(adopted, now);
  }

  #onTick(now: number): void {
    const adopted = this.config.tick(now);
    if (adopted !== undefined) this.#enterView(adopted, now);
    this.#impaired = this.#leadership !== undefined && this.#isImpaired(now);
    this.#leadership?.tick(now, this.#impaired);
    this.#serving?.tick(now);
    this.#following?.tick(now);
    this.#changes.tick(now);
    this.#attendance.tick(now);
  }

  /** After every event: what has become committed, executed, active or level is noticed here, and nowhere else. */
  #advance(now: number): void {
    const leadership = this.#leadership;
    const serving = this.#serving;
    leadership?.advanceCommit(now);
    this.#replica.execute(serving && ((entry, applied) => serving.onApplied(entry, applied, now)));
    this.#following?.acknowledgeIfMoved();
    if (leadership === undefined || serving === undefined) return this.#tellFollowing();
    if (leadership.activate(now)) {
      serving.activate(now);
      this.output.happened({ event: "active", vid: leadership.view.vid });
    }
    serving.refresh(now, this.#impaired);
  }

  #flush(now: number): void {
    this.#leadership?.flush(now);
    this.#serving?.flush(now);
    this.#following?.acknowledge();
  }

  #tellFollowing(): void {
    const following = this.#following;
    if (following === undefined || !following.isLevel || !this.config.isMember()) return;
    if (this.#followingTold === following.view.vid) return;
    this.#followingTold = following.view.vid;
    this.output.happened({ event: "following", vid: following.view.vid });
  }

  /** A newer view is known and on its way to the disk: older ones are not acknowledged from now on. */
  #enterView(view: View, now: number): void {
    const { config } = this;
    this.#replica.begin();
    const wasMember =
      this.#following?.view.members.some((member) => sameIdentity(member, config.self)) ??
      this.#leadership !== undefined;
    if (this.#leadership?.isActive === false) this.output.path("activationInterrupted");
    this.#serving?.end();
    this.#replica.persistStamped();
    this.#leadership = undefined;
    this.#serving = undefined;
    this.#following = undefined;
    this.output.happened({ event: "view", view });
    if (config.leads) {
      this.#impaired = false;
      this.#leadership = new Leadership(this.#replica, view, now);
      this.#serving = new Serving(this.#replica, this.#leadership, this.#copies);
      this.#leadership.begin(now);
    } else {
      this.#reception.follow(view, 0);
      this.#following = new Following(this.#replica, view, this.#reception);
      if (config.isMember()) this.#following.sendLocated();
      else this.#notMember(view, wasMember, now);
    }
    this.#changes.onView(view);
    this.#tellPeers();
  }

  #followFromDisk(view: View, durable: DurableState): void {
    this.output.happened({ event: "view", view });
    if (this.config.isPrimary()) return;
    this.#reception.follow(view, durable.level?.vid === view.vid ? durable.level.through.seqno : 0);
    this.#following = new Following(this.#replica, view, this.#reception);
  }

  #notMember(view: View, wasMember: boolean, now: number): void {
    if (wasMember) this.output.happened({ event: "removed", vid: view.vid });
    this.#attendance.joinSoon(now);
  }

  /** A primary that has not heard a majority, or waits for its own disk, for `suspectMs` says so. */
  #isImpaired(now: number): boolean {
    const oldest = this.#writes[0];
    const diskHangs = oldest !== undefined && now - oldest.at > this.options.suspectMs;
    return diskHangs || !this.config.suspicions.hearsMajority(now);
  }

  /** Not while a snapshot is being received or sent: a new one would make that begin again. */
  #maybeSaveSnapshot(now: number): void {
    if (this.#reception.position !== undefined || this.#leadership?.isTransferring(now) === true) return;
    this.#replica.maybeSaveSnapshot();
  }

  #announce(): void {
    const { view } = this.config;
    const last = this.#announced;
    // Looked at after every event: nothing is made unless something has changed.
    if (last !== undefined && last.view === view && last.active === this.#knowsActive) return;
    this.#announced = { view, active: this.#knowsActive };
    this.output.push({ type: "announce", news: this.news(), after: this.config.viewWrite });
  }
}

function haltError(error: unknown): ViewstampError {
  return error instanceof ViewstampError ? error : new ViewstampError("Internal", "the core failed", { cause: error });
}
