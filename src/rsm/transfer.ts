/**
 * The primary's side of a state transfer: a snapshot goes to a learner in chunks, a few on their way at a time, so that
 * it never delays a heartbeat.
 * @module
 */
import type { SnapshotWant } from "../protocol/messages.ts";
import { sameViewstamp, type View, type Viewstamp } from "../protocol/view.ts";
import type { Progress } from "./progress.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

/** Chunks on their way to one learner. */
const WINDOW = 8;

/** Offers the newest snapshot. A member offered one finds that it has lost data. */
export function startTransfer(replica: ReplicatedLog, view: View, progress: Progress, now: number): void {
  const { snapshot, output, config } = replica;
  progress.located = false;
  if (snapshot === undefined) return;
  if (progress.isLearner) begin(progress, snapshot.at, 0, now);
  output.path("snapshotOffered");
  const offer = { type: "snapshotOffer", vid: view.vid, at: snapshot.at, chunks: snapshot.chunks } as const;
  output.send(progress.who.id, offer, config.viewWrite);
}

/**
 * The learner has part of a snapshot: from an earlier connection it goes on there if that is still the newest. Over the same
 * connection the learner itself asks again for what is lost: what is just slow must not be sent twice.
 */
export function resumeTransfer(
  replica: ReplicatedLog,
  view: View,
  progress: Progress,
  position: { readonly at: Viewstamp; readonly next: number },
  now: number,
): void {
  const { snapshot } = replica;
  // One that has all of it, and is not done, was told of more chunks by whoever has cut the same state otherwise.
  if (snapshot === undefined || !sameViewstamp(snapshot.at, position.at) || position.next >= snapshot.chunks) {
    startTransfer(replica, view, progress, now);
    return;
  }
  const { transfer } = progress;
  if (transfer?.broken === false && sameViewstamp(transfer.at, position.at)) {
    transfer.progressAt = now;
    return;
  }
  replica.output.path("transferResumed");
  begin(progress, position.at, position.next, now);
  request(replica, progress);
}

export function continueTransfer(
  replica: ReplicatedLog,
  view: View,
  progress: Progress,
  want: SnapshotWant,
  now: number,
): void {
  const { transfer } = progress;
  if (replica.snapshot === undefined || !sameViewstamp(replica.snapshot.at, want.at)) {
    startTransfer(replica, view, progress, now);
    return;
  }
  if (transfer === undefined || !sameViewstamp(transfer.at, want.at)) {
    begin(progress, want.at, want.next, now);
  } else {
    const moved = want.next > transfer.wanted;
    // Asked for the same chunk again after a while: what was sent is lost.
    const isLost = !moved && now - transfer.progressAt >= replica.options.suspectMs;
    transfer.wanted = want.next;
    transfer.requested = isLost ? want.next : Math.max(transfer.requested, want.next);
    if (moved || isLost) transfer.progressAt = now;
    if (want.next > transfer.furthest) {
      transfer.furthest = want.next;
      transfer.furthestAt = now;
    }
  }
  request(replica, progress);
}

function begin(progress: Progress, at: Viewstamp, next: number, now: number): void {
  const { transfer: before } = progress;
  const knows = before !== undefined && sameViewstamp(before.at, at) && before.furthest >= next;
  const { furthest, furthestAt } = knows ? before : { furthest: next, furthestAt: now };
  progress.transfer = { at, requested: next, wanted: next, progressAt: now, broken: false, furthest, furthestAt };
}

function request({ snapshot, output }: ReplicatedLog, { transfer, who }: Progress): void {
  if (transfer === undefined || snapshot === undefined) return;
  const end = Math.min(transfer.wanted + WINDOW, snapshot.chunks);
  for (; transfer.requested < end; transfer.requested++) {
    output.push({ type: "readChunk", to: who.id, at: transfer.at, index: transfer.requested });
  }
}
