/**
 * What a node says is looked at as it leaves: its disk must hold what it promises, and no life of the node may take back
 * what an earlier one promised (design.md section 5, rule 2).
 * @module
 */
import { type AcceptedValue, type Ballot, compareBallots } from "../../src/protocol/ballot.ts";
import type { MachineVersion } from "../../src/protocol/machine.ts";
import type { PeerMessage } from "../../src/protocol/messages.ts";
import type { Identity, Viewstamp } from "../../src/protocol/view.ts";
import type { Disk } from "./disk.ts";

const isOf =
  (one: MachineVersion) =>
  (other: MachineVersion): boolean =>
    one.name === other.name;

interface Given {
  promised: Ballot | undefined;
  accepted: Ballot | undefined;
}

export class Promises {
  /** By incarnation and instance, over all its lives. */
  readonly #given: Map<string, Given> = new Map();

  /** What is wrong with sending this now, if anything. */
  fault(from: Identity, disk: Disk, message: PeerMessage): string | undefined {
    switch (message.type) {
      case "prepare": {
        const { view, ballot } = message;
        return viewFault(disk, view.vid) ?? promiseFault(disk, view.vid + 1, ballot);
      }
      case "promise":
        return (
          promiseFault(disk, message.instance, message.ballot) ??
          this.#promise(from, message.instance, message.ballot, message.accepted)
        );
      case "accepted":
        return (
          acceptFault(disk, message.instance, message.ballot) ?? this.#accept(from, message.instance, message.ballot)
        );
      case "decided":
      case "genesis":
        return viewFault(disk, message.view.vid);
      case "invoked":
        return viewFault(disk, message.vid) ?? endFault(disk, message.seqno);
      case "leveled":
        return leveledFault(disk, message.vid, message.through);
      case "readied": {
        const promised = disk.machines?.promised ?? [];
        const isDurable = message.versions.every((one) => (promised.find(isOf(one))?.version ?? 0) >= one.version);
        return viewFault(disk, message.vid) ?? (isDurable ? undefined : "its promise to be ready is not durable");
      }
      case "confirmed":
        // Whoever is behind may confirm: it has accepted nothing for the instance after a view it does not know.
        return undefined;
      default:
        return "vid" in message ? viewFault(disk, message.vid) : undefined;
    }
  }

  #promise(from: Identity, instance: number, ballot: Ballot, accepted: AcceptedValue | undefined): string | undefined {
    const given = this.#of(from, instance);
    if (isBelow(ballot, given.promised)) return "a higher ballot was promised before";
    if (given.accepted !== undefined && (accepted === undefined || isBelow(accepted.ballot, given.accepted))) {
      return "a value was accepted before, and the promise does not report it";
    }
    given.promised = ballot;
    return undefined;
  }

  #accept(from: Identity, instance: number, ballot: Ballot): string | undefined {
    const given = this.#of(from, instance);
    if (isBelow(ballot, given.promised)) return "a higher ballot was promised before";
    given.promised = ballot;
    given.accepted = ballot;
    return undefined;
  }

  #of({ id, incarnation }: Identity, instance: number): Given {
    const key = `${id} ${incarnation} ${instance}`;
    const given = this.#given.get(key) ?? { promised: undefined, accepted: undefined };
    this.#given.set(key, given);
    return given;
  }
}

function isBelow(ballot: Ballot, other: Ballot | undefined): boolean {
  return other !== undefined && compareBallots(ballot, other) < 0;
}

function viewFault(disk: Disk, vid: number): string | undefined {
  return (disk.view?.vid ?? 0) >= vid ? undefined : `view ${vid} is not on its disk`;
}

/** What was promised of an instance goes with the view that it chose. */
function promiseFault(disk: Disk, instance: number, ballot: Ballot): string | undefined {
  if ((disk.view?.vid ?? 0) >= instance) return undefined;
  const isHeld = disk.promised !== undefined && !isBelow(disk.promised, ballot);
  return isHeld ? undefined : `the promise of ${ballot.round}${ballot.node} is not on its disk`;
}

function acceptFault(disk: Disk, instance: number, ballot: Ballot): string | undefined {
  if ((disk.view?.vid ?? 0) >= instance) return undefined;
  const isHeld = disk.accepted !== undefined && !isBelow(disk.accepted.ballot, ballot);
  return isHeld ? undefined : `what it accepted under ${ballot.round}${ballot.node} is not on its disk`;
}

function endFault(disk: Disk, seqno: number): string | undefined {
  return disk.durableThrough >= seqno ? undefined : `its disk's log ends at ${disk.durableThrough}, not ${seqno}`;
}

function leveledFault(disk: Disk, vid: number, through: Viewstamp): string | undefined {
  if ((disk.view?.vid ?? 0) > vid) return undefined;
  if (!disk.covers(through)) return `its disk does not hold ${through.vid}.${through.seqno}`;
  const isHeld = disk.level?.vid === vid && disk.level.through.seqno >= through.seqno;
  return isHeld ? viewFault(disk, vid) : "the promise to be level is not on its disk";
}
