// What users do with errors beside catching them.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";

test("an error can be written as JSON, with its message, and tokens as strings", () => {
  const error = new ViewstampError("LockLost", "it is lost", { data: { reason: "session", token: 2n ** 60n } });
  const { name, code, message, outcomeUnknown } = error;
  assert.equal(JSON.parse(JSON.stringify({ error })), {
    error: { name, code, message, outcomeUnknown, data: { reason: "session", token: String(2n ** 60n) } },
  });
  assert.is(error.data["token"], 2n ** 60n);
});

test.run();
