// A child for the harness's own tests: tells what it is told, complains about the rest, ends with its stdin.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const said = JSON.parse(line) as { readonly event: string };
  if (said.event === "complain") console.error("this is no fact");
  else if (said.event === "die") process.kill(process.pid, "SIGKILL");
  else writeSync(1, `${line}\nnot JSON\n`);
});
lines.on("close", () => process.exit(5));
writeSync(1, `${JSON.stringify({ event: "ready", pid: process.pid })}\n`);
