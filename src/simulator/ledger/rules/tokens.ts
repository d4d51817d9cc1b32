/**
 * Rule 13. Tokens are looked at in the committed history and at clients; trust is looked at in the moment in which the
 * history ends a session or gives a lock to another, and whenever a client acts: one that stood still in that moment may do
 * so late.
 * @module
 */
import type { KeepAlive } from "../../../protocol/client-messages.ts";
import { sessionIdOf } from "../../../protocol/session.ts";
import { type NodeId, sameViewstamp, type Viewstamp } from "../../../protocol/view.ts";
import { entryIn, type Facts } from "../facts.ts";
import { type Grant, isHeldUnder, type LockStep } from "../lock-model.ts";
import type { ClientsEye, CoreEye, Rule } from "../observer.ts";

interface Question {
  readonly life: number;
  readonly session: Viewstamp;
  readonly newestChosen: number;
  readonly moment: number;
}

export const tokens: Rule = {
  number: 13,
  statement: "Never a token repeated or decreased; never a client trusting a lock after the server may give it away.",
  watch(facts, violated) {
    const asked = new Map<string, Question>();
    return {
      applied(entry, _result, locks) {
        if (locks === undefined) return;
        for (const grant of locks.grants) {
          const fault = faultOfToken(grant);
          if (fault !== undefined) violated(`${fault} (at ${entry.seqno})`);
        }
        for (const { name, first, before } of locks.refills)
          if (before !== undefined && first <= before)
            violated(`token ${first} of ${name} is given out after ${before} (at ${entry.seqno})`);
        const trusted = facts.clients === undefined ? undefined : stillTrusted(facts.clients, locks);
        if (trusted !== undefined) violated(`${trusted} (at ${entry.seqno})`);
      },
      acts(client, name, token) {
        const lock = facts.locks.named(name);
        if (lock !== undefined && !isHeldUnder(lock, token))
          violated(`client ${client} acts under ${name} with token ${token}, and its tenure is over`);
      },
      relies(client, session) {
        if (facts.locks.ended.has(session)) violated(`client ${client} relies on session ${session}, which is over`);
      },
      asked(node, _core, client, message) {
        if (message.type === "keepAlive")
          asked.set(keyOf(node.id, client, message), question(facts, node.life, message));
      },
      answered(node, core, client, message) {
        if (message.type !== "keptAlive" && message.type !== "declined") return;
        const key = keyOf(node.id, client, message);
        const question = asked.get(key);
        if (question === undefined) return;
        asked.delete(key);
        if (question.life !== node.life || message.type === "declined") return;
        const fault = faultOfConfirmation(facts, node.id, core, question);
        if (fault !== undefined) violated(`${node.id} keeps session ${sessionIdOf(question.session)} alive ${fault}`);
      },
    };
  },
};

function keyOf(id: string, client: number, { xid }: { readonly xid: number }): string {
  return `${id} ${client} ${xid}`;
}

function question({ newestChosen, confirmations }: Facts, life: number, { session }: KeepAlive): Question {
  return { life, session, newestChosen, moment: confirmations.moment() };
}

/** Its client trusts it from here on for a whole TTL. */
function faultOfConfirmation(
  facts: Facts,
  primary: NodeId,
  core: CoreEye,
  { session, newestChosen, moment }: Question,
): string | undefined {
  const vid = core.view?.vid ?? 0;
  if (newestChosen > vid) return `in view ${vid}; view ${newestChosen} was chosen when it asked`;
  const missing = core.view === undefined ? 0 : facts.confirmations.missing(primary, core.view, moment);
  if (missing > 0) return `without a majority that has confirmed it, by ${missing}`;
  if (facts.node(primary).data.written.acceptedIn(vid + 1) !== undefined)
    return `and has itself accepted a value for view ${vid + 1}`;
  for (let seqno = core.applied + 1; seqno <= core.log.end; seqno++) {
    const entry = entryIn(core, seqno);
    if (entry?.kind === "end" && sameViewstamp(entry.session, session)) return `after its end was stamped at ${seqno}`;
  }
  return undefined;
}

function faultOfToken({ lock, tenure, before }: Grant): string | undefined {
  if (before === undefined || tenure.token > before) return undefined;
  return `token ${tenure.token} of ${lock.name} is granted after ${before}`;
}

/** A holder that was robbed learns it by a notice; every other knows by its own clock that it has nothing any more. */
function stillTrusted(clients: ClientsEye, { touched, ended }: LockStep): string | undefined {
  const client = ended === undefined ? undefined : clients.trusting(ended);
  if (client !== undefined) return `client ${client} trusts session ${ended}, which is over`;
  for (const lock of touched) {
    const token = clients.believed(lock.name).find((one) => !isHeldUnder(lock, one));
    if (token !== undefined)
      return `a client believes to hold ${lock.name} under token ${token}, and its tenure is over`;
  }
  return undefined;
}
