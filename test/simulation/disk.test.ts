// The simulated disk: what a crash leaves of bytes and names that were not synced.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SimDisk } from "../../src/simulator/disk.ts";
import { type Death, Host, type Life } from "../../src/simulator/process.ts";
import { World } from "../../src/simulator/world.ts";
import type { Disk, DiskFile, FileInfo } from "../../src/storage/disk.ts";

class Bench {
  readonly world: World;
  readonly host: Host;
  readonly disk: SimDisk;
  errors: string[] = [];

  constructor(seed: number) {
    this.world = new World(seed);
    this.host = new Host(this.world, "a");
    this.disk = new SimDisk(this.host);
    this.host.start(() => {});
  }

  get view(): Disk {
    return this.disk.for(this.host.life as Life);
  }

  /** Runs one operation to its end. */
  async op<T>(begin: (done: (error: Error | undefined, value?: T) => void) => void): Promise<T | undefined> {
    let result: T | undefined;
    begin((error, value) => {
      if (error !== undefined) this.errors.push(error.message);
      result = value;
    });
    await this.world.run(this.world.now + 100);
    return result;
  }

  async write(file: DiskFile, text: string, sync: boolean): Promise<void> {
    await this.op((done) => file.append(new TextEncoder().encode(text), done));
    if (sync) await this.op((done) => file.sync(done));
  }

  async crash(death: Death): Promise<void> {
    this.host.die(death);
    this.host.start(() => {});
    await this.world.run(this.world.now + 1);
  }

  async content(name: string): Promise<string | undefined> {
    const files = await this.op<readonly FileInfo[]>((done) => this.view.list(done));
    if (files?.some((file) => file.name === name) !== true) return undefined;
    const bytes = await this.op<Uint8Array>((done) => this.view.read(name, 0, 1000, done));
    return new TextDecoder().decode(bytes);
  }

  async make(name: string): Promise<DiskFile> {
    return (await this.op((done) => this.view.create(name, done))) as DiskFile;
  }
}

const disk = suite("the simulated disk");

disk("keeps everything when only the process is killed", async () => {
  const bench = new Bench(1);
  const file = await bench.make("log");
  await bench.write(file, "abc", false);
  await bench.crash("kill");
  assert.is(await bench.content("log"), "abc");
});

disk(
  "keeps what was synced when the power goes, and of the rest anything: lost, torn, zeroed, with holes",
  async () => {
    const left = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const bench = new Bench(seed);
      const file = await bench.make("log");
      await bench.op((done) => bench.view.syncDirectory(done));
      await bench.write(file, "sure", true);
      await bench.write(file, "PERHAPS", false);
      await bench.crash("power");
      const content = (await bench.content("log")) as string;
      assert.is(content.slice(0, 4), "sure");
      left.add(content.slice(4).replaceAll("\0", "_"));
    }
    assert.ok(left.has(""), "lost");
    assert.ok(left.has("PERHAPS"), "kept");
    assert.ok(left.has("PER"), "torn");
    assert.ok(
      [...left].some((text) => /^P\w*_+$/.test(text)),
      "zeroed",
    );
    assert.ok(
      [...left].some((text) => /^_+[A-Z]+$/.test(text)),
      "with a hole",
    );
  },
);

disk("finds a file again after a loss of power only if its directory was synced", async () => {
  const found = { synced: 0, unsynced: 0 };
  for (let seed = 0; seed < 30; seed++) {
    for (const sync of [true, false]) {
      const bench = new Bench(seed);
      const file = await bench.make("log");
      await bench.write(file, "sure", true);
      if (sync) await bench.op((done) => bench.view.syncDirectory(done));
      await bench.crash("power");
      if ((await bench.content("log")) === "sure") found[sync ? "synced" : "unsynced"]++;
    }
  }
  assert.is(found.synced, 30);
  assert.ok(found.unsynced > 0 && found.unsynced < 30);
});

disk("renames atomically: one of the two names is there", async () => {
  for (let seed = 0; seed < 30; seed++) {
    const bench = new Bench(seed);
    await bench.write(await bench.make("old"), "1", true);
    await bench.write(await bench.make("new"), "2", true);
    await bench.op((done) => bench.view.syncDirectory(done));
    await bench.op((done) => bench.view.rename("new", "old", done));
    await bench.crash("power");
    const [old, fresh] = [await bench.content("old"), await bench.content("new")];
    assert.ok((old === "2" && fresh === undefined) || (old === "1" && fresh === "2"), `${old} ${fresh}`);
  }
});

disk("leaves any part of an append in which the process was killed", async () => {
  const lengths = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const bench = new Bench(seed);
    const file = await bench.make("log");
    file.append(new TextEncoder().encode("0123456789"), () => assert.unreachable());
    await bench.crash("kill");
    lengths.add(((await bench.content("log")) as string).length);
  }
  assert.ok(lengths.has(0) && lengths.has(10) && lengths.size > 4);
});

disk("lies about syncs, fills up, fails and hangs when it is told to", async () => {
  const bench = new Bench(3);
  const file = await bench.make("log");
  await bench.op((done) => bench.view.syncDirectory(done));
  bench.disk.full = true;
  await bench.write(file, "abc", false);
  bench.disk.full = false;
  bench.disk.failsSync = true;
  await bench.write(file, "abc", true);
  bench.disk.failsSync = false;
  assert.equal(bench.errors, ["a: no space left on device", "a: fsync failed"]);
  bench.disk.hang();
  let done = false;
  file.sync(() => {
    done = true;
  });
  await bench.world.run(bench.world.now + 10_000);
  assert.not(done);
  bench.disk.unhang();
  await bench.world.run(bench.world.now + 10);
  assert.ok(done);
  bench.disk.liesAboutSync = true;
  await bench.write(file, "def", true);
  assert.ok(bench.disk.lied);
});

disk("flips bits only of what no loss of power takes back", async () => {
  const lengths = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const bench = new Bench(seed);
    await bench.write(await bench.make("log"), "abcdef", false);
    bench.host.die("kill");
    assert.ok(bench.disk.rot());
    bench.host.start(() => {});
    await bench.crash("power");
    const content = await bench.content("log");
    assert.is.not(content, "abcdef");
    lengths.add(content?.length ?? 0);
  }
  assert.equal([...lengths], [6]);
});

disk("strikes at an operation of a kind: before it is done, or after, when its process does not know yet", async () => {
  for (const isBefore of [true, false]) {
    const bench = new Bench(1);
    for (const name of ["one", "two"]) await bench.make(name);
    bench.disk.aim({ operation: "remove", spared: 1, isBefore, strike: () => bench.host.die("kill") });
    const done: string[] = [];
    bench.view.remove("one", () => done.push("one"));
    await bench.world.run(bench.world.now + 1);
    bench.view.remove("two", () => done.push("two"));
    await bench.world.run(bench.world.now + 1);
    assert.is(bench.host.life, undefined);
    assert.equal(done, ["one"]);
    assert.equal([...bench.disk.files.keys()], isBefore ? ["two"] : []);
  }
});

disk("locks out a second process until the first is dead", async () => {
  const bench = new Bench(1);
  await bench.op((done) => bench.view.lock(done));
  const other = new Host(bench.world, "b");
  other.start(() => {});
  await bench.op((done) => bench.disk.for(other.life as Life).lock(done));
  assert.equal(bench.errors, ["a: another replica has the disk"]);
  await bench.crash("kill");
  await bench.op((done) => bench.view.lock(done));
  assert.is(bench.errors.length, 1);
});

disk.run();
