// Holds a data directory and writes to it until it is killed. Prints the last acknowledged place on each line.
import process from "node:process";
import { fileStorage } from "../../src/storage/file.ts";
import { open, write } from "./drive.ts";
import { endOf, entriesFrom } from "./model.ts";

const storage = fileStorage(process.argv[2]!);
let end = endOf(await open(storage));
process.stdout.write(`open ${end.seqno}\n`);
for (;;) {
  await write(storage, { kind: "append", entries: entriesFrom(end, 1, 3, 200) });
  end = { vid: 1, seqno: end.seqno + 3 };
  process.stdout.write(`${end.seqno}\n`);
}
