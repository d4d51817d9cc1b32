import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseArguments, type Shape } from "../../src/entry/cli/arguments.ts";
import { checkedAddress, parseClusterList, parseNamedCluster } from "../../src/entry/cli/cluster-list.ts";
import { UsageError } from "../../src/entry/cli/exit-codes.ts";

const shape: Shape = {
  positionals: ["KEY", "[VALUE]"],
  options: {
    cluster: { type: "string", value: "LIST", help: "" },
    "timeout-ms": { type: "string", value: "MS", help: "" },
    json: { type: "boolean", help: "" },
  },
};
const withCommand: Shape = { ...shape, takesCommand: true };

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.instance(error, UsageError);
    return (error as UsageError).message;
  }
  return "";
}

function refused(...args: string[]): string {
  return refusal(() => parseArguments(args, shape));
}

const parsing = suite("arguments");

parsing("stand anywhere, options with = or a space", () => {
  const args = parseArguments(["--json", "color", "--cluster=ws://a:1", "green", "--timeout-ms", "250"], shape);
  assert.equal(args.positionals, ["color", "green"]);
  assert.is(args.text("cluster"), "ws://a:1");
  assert.is(args.number("timeout-ms"), 250);
  assert.ok(args.has("json"));
  assert.equal(args.command, []);
});

parsing("keep the command after -- as it is", () => {
  const args = parseArguments(["night", "--json", "--", "sh", "-c", "exit 3", "--", "--json"], withCommand);
  assert.equal(args.positionals, ["night"]);
  assert.equal(args.command, ["sh", "-c", "exit 3", "--", "--json"]);
  assert.ok(args.has("json"));
});

parsing("may have as many names as there are, where the last one repeats", () => {
  const names: Shape = { ...withCommand, positionals: ["NAME", "[NAME …]"] };
  assert.equal(parseArguments(["a", "b", "--json", "c", "--", "ls"], names).positionals, ["a", "b", "c"]);
  assert.equal(parseArguments(["a", "--", "ls"], names).positionals, ["a"]);
  assert.is(
    refusal(() => parseArguments(["--", "ls"], names)),
    "NAME is missing",
  );
});

parsing("an empty argument is an argument", () => {
  assert.equal(parseArguments(["key", ""], shape).positionals, ["key", ""]);
});

parsing("arguments that begin with a dash stand after --, where no command has to", () => {
  const { positionals, command } = parseArguments(["k", "--json", "--", "-5"], shape);
  assert.equal([positionals, command], [["k", "-5"], []]);
  assert.equal(parseArguments(["--", "--json", "--"], shape).positionals, ["--json", "--"]);
});

parsing("that are unknown are refused, near misses with a hint", () => {
  assert.is(refused("k", "--jsno"), "unknown option --jsno; did you mean --json?");
  assert.is(refused("k", "--jso"), "unknown option --jso; did you mean --json?");
  assert.is(refused("k", "--clusters=x"), "unknown option --clusters; did you mean --cluster?");
  assert.is(refused("k", "--verbose"), "unknown option --verbose");
  const hint = "; write what begins with a dash, and is no option, after --";
  assert.is(refused("k", "-j"), `unknown option -j${hint}`);
  assert.is(
    refusal(() => parseArguments(["k", "-j", "--", "ls"], withCommand)),
    "unknown option -j",
  );
  assert.is(refused("k", "--constructor"), "unknown option --constructor");
  assert.is(refused("k", "--no-json"), "unknown option --no-json");
  assert.is(refused("k", "--timeout", "5"), "unknown option --timeout; did you mean --timeout-ms?");
  assert.is(refused("k", "--timeoutMs", "5"), "unknown option --timeoutMs; did you mean --timeout-ms?");
});

parsing("that lack or repeat something are refused", () => {
  assert.is(refused("k", "--cluster"), "--cluster needs a value: --cluster LIST");
  assert.is(refused("k", "--cluster", "--json"), "--cluster needs a value: --cluster LIST");
  assert.is(refused("k", "--cluster="), "--cluster needs a value: --cluster LIST");
  assert.is(refused("k", "--json=yes"), "--json takes no value");
  assert.is(refused("k", "--json", "--json"), "--json is given twice");
  assert.is(refused(), "KEY is missing");
  assert.is(refused("a", "b", "c"), 'too many arguments: "c"');
  assert.is(refused("k", "v", "--", "ls"), 'too many arguments: "ls"');
  assert.is(
    refusal(() => parseArguments(["k"], withCommand)),
    "the command is missing: write it after --",
  );
  assert.is(
    refusal(() => parseArguments(["k", "v", "sleep", "1"], withCommand)),
    'too many arguments: "sleep"; write the command after --',
  );
  assert.is(
    refusal(() => parseArguments(["k"], shape).text("cluster")),
    "--cluster is missing",
  );
});

parsing("that should be numbers and are none are refused", () => {
  for (const value of ["abc", "1e999", " ", "5s"]) {
    const args = parseArguments(["k", `--timeout-ms=${value}`], shape);
    assert.match(
      refusal(() => args.number("timeout-ms", 5, 1)),
      "must be a number",
    );
  }
  const args = parseArguments(["k", "--timeout-ms=0"], shape);
  assert.is(args.number("timeout-ms"), 0);
  assert.is(
    refusal(() => args.number("timeout-ms", 5, 1)),
    '--timeout-ms must be a number of at least 1, not "0"',
  );
  assert.is(parseArguments(["k"], shape).number("timeout-ms", 5), 5);
  assert.is(parseArguments(["k", "--timeout-ms=9"], shape).number("timeout-ms", 5, 1, 9), 9);
  assert.is(
    refusal(() => parseArguments(["k", "--timeout-ms=10"], shape).number("timeout-ms", 5, 1, 9)),
    '--timeout-ms must be a number from 1 to 9, not "10"',
  );
});

parsing.run();

const lists = suite("--cluster");

lists("names nodes or gives plain addresses", () => {
  assert.equal(parseClusterList("a=ws://h:1,b=ws://h:2/"), [
    { id: "a", url: "ws://h:1" },
    { id: "b", url: "ws://h:2" },
  ]);
  assert.equal(parseClusterList("ws://[::1]:7001, ws://h:2"), [
    { id: undefined, url: "ws://[::1]:7001" },
    { id: undefined, url: "ws://h:2" },
  ]);
  assert.equal(parseNamedCluster("a=ws://h:1,b=ws://h:2"), { a: "ws://h:1", b: "ws://h:2" });
});

lists("that are impossible are refused", () => {
  const why = (text: string): string => refusal(() => parseNamedCluster(text));
  assert.is(why("a=ws://h:1,a=ws://h:2"), "--cluster names a twice");
  assert.is(why("a=ws://h:1,b=ws://h:1"), "--cluster names ws://h:1 twice");
  assert.match(why("a=http://h:1"), "an address looks like ws://127.0.0.1:7001");
  assert.match(why("a=wss://h:1"), "an address looks like");
  assert.match(why("a=ws://h"), "an address looks like");
  assert.match(why("a=ws://"), "an address looks like");
  assert.match(why("a=ws://h:99999"), "an address looks like");
  assert.match(why("a=ws://h:1,"), "an address looks like");
  assert.match(why("=ws://h:1"), "an id is");
  assert.match(why("a b=ws://h:1"), "an id is");
  assert.is(why("ws://h:1"), "--cluster must name each node, as in a=ws://h:1");
  assert.is(checkedAddress("ws://h:1/", "--listen"), "ws://h:1");
  assert.match(
    refusal(() => checkedAddress("7001", "--listen")),
    "--listen: an address looks like",
  );
});

lists.run();
