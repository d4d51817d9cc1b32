// Calls, replies and notices as bytes.
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type CallReply,
  decodeCall,
  decodeNotice,
  decodeReply,
  encodeCall,
  encodeNotice,
  encodeReply,
} from "../../src/protocol/calls.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { encodeValue } from "../../src/protocol/values.ts";

const values = [undefined, null, 0, "\ud800", 5n, [1, [2]], { a: { b: undefined } }, new Map([["k", 1]]), new Set([1])];

test("a call comes back as it was sent", () => {
  for (const input of values) {
    for (const version of [1, 2, 2 ** 40]) {
      const call = { machine: "stock", name: "add", input, version };
      assert.equal(decodeCall(encodeCall("stock", "add", input, version)), call);
    }
  }
});

test("a reply of each kind comes back", () => {
  const replies: CallReply[] = [
    ...values.map((value) => ({ type: "ok" as const, value })),
    ...values.map((data) => ({ type: "refused" as const, code: "NO", data })),
    { type: "failed", code: "MachineFailed", text: "a" },
    { type: "failed", code: "UnknownCommand", text: "" },
    { type: "failed", code: "InvalidInput", text: "c" },
    { type: "failed", code: "WrongMachine", text: "d" },
  ];
  for (const reply of replies) assert.equal(decodeReply(encodeReply(reply)), reply);
});

test("a notice comes back", () => {
  for (const value of values) assert.equal(decodeNotice(encodeNotice("stock", value)), { machine: "stock", value });
});

test("other bytes are none of them", () => {
  const others = [
    undefined,
    5,
    {},
    [],
    [1],
    ["stock"],
    [1, 2],
    [0, 1, 2],
    [1, "NO"],
    [1, 2, 3],
    [2, 4, "text"],
    [2, "0.5", "text"],
    [2, "length", "text"],
    [2, 0, 5],
    [3, 1],
    ["stock", 1, 2],
    ["a", "b", 1, 0],
    ["a", "b", 1, 1.5],
    ["a", "b", 1, "2"],
    ["a", "b", 1, 2, 3],
  ];
  for (const bytes of [new Uint8Array(0), new Uint8Array([0xff, 1]), ...others.map(encodeValue)]) {
    for (const decode of [decodeCall, decodeReply, decodeNotice]) {
      assert.throws(
        () => decode(bytes),
        (error: unknown) => error instanceof ViewstampError && error.code === "BadMessage",
      );
    }
  }
});

test("what the codec does not carry is refused where it is given", () => {
  for (const encode of [() => encodeCall("a", "b", () => 1), () => encodeNotice("a", Symbol("x"))]) {
    assert.throws(encode, (error: unknown) => error instanceof ViewstampError && error.code === "InvalidInput");
  }
});

test("an input that the codec does not carry is named as its caller knows it", () => {
  for (const version of [1, 2]) {
    assert.throws(
      () => encodeCall("stock", "add", { by: [1, () => 1] }, version),
      (error: ViewstampError) =>
        error.message === "input of stock.add: value.by[1] cannot be encoded: a function" &&
        error.data["path"] === "value.by[1]",
    );
  }
});

test.run();
