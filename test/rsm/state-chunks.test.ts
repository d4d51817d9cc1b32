import { test } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";
import type { Restoration } from "../../src/protocol/machine.ts";
import { SeededRandom } from "../../src/protocol/random.ts";
import { type Session, SessionTable } from "../../src/rsm/sessions.ts";
import { chunksOfState, movedHeader, StateRestoration } from "../../src/rsm/state-chunks.ts";
import { bytes, text } from "./kit.ts";

const HEADER = { at: { vid: 3, seqno: 9000 }, time: 12_345.5, hash: 2 ** 50 + 1 };

/** Sessions with no reply, some, and so many that one chunk cannot hold them. */
function someSessions(): SessionTable {
  const table = new SessionTable();
  for (let place = 1; place <= 60; place++) {
    const session = table.open({ vid: 1 + (place % 3), seqno: place * 7 }, 500 + place);
    const count = place === 30 ? 400 : place % 5;
    for (let number = 1; number <= count + 2; number++) {
      session.lastNumber = number;
      session.replies.set(number, new Uint8Array((number * 37) % 900).fill(number));
    }
    session.acknowledge(2);
  }
  return table;
}

function told(session: Session): string {
  const { opened, ttlMs, lastNumber, acknowledgedThrough, replies } = session;
  const held = [...replies].map(([number, body]) => `${number}:${body.length}x${body[0] ?? ""}/${body.at(-1) ?? ""}`);
  return `${opened.vid}.${opened.seqno} ${ttlMs} ${lastNumber} ${acknowledgedThrough} ${held.join(" ")}`;
}

function machineChunks(): Iterator<Uint8Array> {
  return ["one", "", "three"].map((word) => new TextEncoder().encode(word)).values();
}

function drain(chunks: Iterator<Uint8Array>): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let next = chunks.next(); next.done !== true; next = chunks.next()) all.push(next.value);
  return all;
}

function restoration(): { restored: StateRestoration; heard: string[] } {
  const heard: string[] = [];
  const machine: Restoration = { chunk: (bytes) => heard.push(text(bytes)), finish: () => heard.push("finish") };
  return { restored: new StateRestoration(machine), heard };
}

function isBroken(run: () => void): void {
  assert.throws(run, (error: unknown) => error instanceof ViewstampError && error.code === "BadMessage");
}

test("a snapshot's chunks restore every session with its replies, and the machine gets its own", () => {
  const sessions = someSessions();
  const chunks = drain(chunksOfState(HEADER, sessions, machineChunks()));
  assert.ok(chunks.length > 8, "several chunks of sessions");
  const { restored, heard } = restoration();
  for (const chunk of chunks) restored.chunk(chunk);
  const { header, sessions: table } = restored.finish();
  restored.finishMachine();
  assert.equal([header.at, header.time, header.hash], [HEADER.at, HEADER.time, HEADER.hash]);
  assert.equal(Array.from(table, told), Array.from(sessions, told));
  assert.equal(heard, ["one", "", "three", "finish"]);
});

test("restored replies do not hold on to the chunk they came in", () => {
  const { restored } = restoration();
  for (const chunk of drain(chunksOfState(HEADER, someSessions(), machineChunks()))) {
    restored.chunk(chunk);
    chunk.fill(255);
  }
  assert.equal(Array.from(restored.finish().sessions, told), Array.from(someSessions(), told));
});

test("chunks not asked for yet do not show what changes meanwhile", () => {
  const sessions = someSessions();
  const before = drain(chunksOfState(HEADER, sessions, machineChunks()));
  const chunks = chunksOfState(HEADER, sessions, machineChunks());
  const first = chunks.next();
  for (const session of sessions) {
    sessions.changes(session);
    session.lastNumber++;
    session.replies.set(session.lastNumber, new Uint8Array(10));
    session.acknowledge(session.lastNumber);
  }
  sessions.end({ vid: 2, seqno: 7 });
  const after = [first.value as Uint8Array, ...drain(chunks)];
  assert.equal(
    after.map((chunk) => chunk.length),
    before.map((chunk) => chunk.length),
  );
  assert.ok(after.every((chunk, index) => chunk.every((byte, at) => byte === before[index]?.[at])));
});

test("a state without sessions has a snapshot too", () => {
  const { restored, heard } = restoration();
  for (const chunk of drain(chunksOfState(HEADER, new SessionTable(), machineChunks()))) restored.chunk(chunk);
  assert.is(restored.finish().sessions.size, 0);
  assert.equal(heard, ["one", "", "three"]);
});

test("whenever a session changes, ends or begins, a snapshot shows it as it was", () => {
  const random = new SeededRandom(5);
  for (let round = 0; round < 40; round++) {
    const before = Array.from(someSessions(), told);
    const sessions = someSessions();
    const all = [...sessions];
    const chunks = chunksOfState(HEADER, sessions, machineChunks());
    const { restored } = restoration();
    let taken = 0;
    for (let next = chunks.next(); next.done !== true; next = chunks.next()) {
      restored.chunk(next.value);
      for (let change = 0; change < 12; change++) {
        const session = all[Math.floor(random.next() * all.length)] as Session;
        sessions.changes(session);
        session.lastNumber++;
        session.replies.set(session.lastNumber, new Uint8Array(5));
        session.acknowledge(session.lastNumber - 2);
      }
      sessions.end((all[Math.floor(random.next() * all.length)] as Session).opened);
      sessions.open({ vid: 9, seqno: 9001 + taken++ }, 500);
    }
    assert.equal(Array.from(restored.finish().sessions, told), before);
  }
});

test("ten thousand sessions are not noted all at once", () => {
  const sessions = new SessionTable();
  for (let place = 1; place <= 10_000; place++) sessions.open({ vid: 1, seqno: place }, 500);
  let looked = 0;
  for (const session of sessions) {
    const replies = session.replies;
    const look = (): typeof replies => {
      looked++;
      return replies;
    };
    Object.defineProperty(session, "replies", { get: look });
  }
  const chunks = chunksOfState(HEADER, sessions, machineChunks());
  for (let count = 0; count < 3; count++) chunks.next();
  assert.ok(looked > 0 && looked < 3000, `${looked} sessions were looked at for two chunks of them`);
});

test("a snapshot that lacks any one of its chunks, or has one twice, is none", () => {
  const chunks = drain(chunksOfState(HEADER, someSessions(), machineChunks()));
  const take = (some: readonly Uint8Array[]) => (): void => {
    const { restored } = restoration();
    for (const chunk of some) restored.chunk(chunk);
    restored.finish();
  };
  take(chunks)();
  for (let missing = 0; missing < chunks.length; missing++) {
    isBroken(take(chunks.filter((_, index) => index !== missing)));
    isBroken(take([...chunks.slice(0, missing + 1), ...chunks.slice(missing)]));
  }
});

test("what two replicas that cut the state in different ways gave in parts is none", () => {
  const cut = (...parts: string[]): Uint8Array[] =>
    drain(chunksOfState(HEADER, someSessions(), parts.map(bytes).values()));
  const [one, other] = [cut("alpha", "beta", "gamma"), cut("gamma", "beta", "alpha")];
  const take = (some: readonly Uint8Array[]) => (): void => {
    const { restored } = restoration();
    for (const chunk of some) restored.chunk(chunk);
  };
  take(one)();
  take([movedHeader(one[0] as Uint8Array, { vid: 9, seqno: 9 }), ...one.slice(1)])();
  for (const left of [3, 2, 1]) isBroken(take([...one.slice(0, -left), ...other.slice(-left)]));
});

test("bytes that are no snapshot are refused", () => {
  for (const bytes of [
    [],
    [7],
    [7, 0, 0, 0, 0],
    [0, 1, 2],
    [0, 0, 0, 0, 0, 1, 2],
    [1, 0, 0, 0, 0, 9, 9],
    [3, 0, 0, 0, 1],
  ]) {
    isBroken(() => restoration().restored.chunk(Uint8Array.from(bytes)));
  }
});

test("a machine that is asked no more is told so", () => {
  let returned = 0;
  const machine: Iterator<Uint8Array> = {
    next: () => ({ done: false, value: new Uint8Array(1) }),
    return: () => ({ done: true, value: returned++ }),
  };
  const chunks = chunksOfState(HEADER, new SessionTable(), machine);
  chunks.next();
  chunks.return?.();
  assert.is(returned, 1);
});

test.run();
