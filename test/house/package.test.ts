// The package's maps tell one story: package.json, deno.json, the build and the compiler's paths.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readFile } from "./source.ts";

interface Manifests {
  readonly npm: {
    readonly name: string;
    readonly version: string;
    readonly bin: Readonly<Record<string, string>>;
    readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
    readonly tsup: { readonly entry: Readonly<Record<string, string>> };
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  readonly jsr: {
    readonly version: string;
    readonly exports: Readonly<Record<string, string>>;
    readonly imports: Readonly<Record<string, string>>;
  };
  readonly paths: Readonly<Record<string, readonly string[]>>;
  readonly changelog: string;
}

function manifests(): Manifests {
  return {
    npm: JSON.parse(readFile("package.json")),
    jsr: JSON.parse(readFile("deno.json")),
    paths: JSON.parse(readFile("tsconfig.json")).compilerOptions.paths,
    changelog: readFile("CHANGELOG.md"),
  };
}

/** Each map, reduced to `export path -> source file`, must equal deno.json's. */
function disagreements({ npm, jsr, paths }: Manifests): string[] {
  const { "./package.json": _, ...modules } = npm.exports;
  const built = mapValues(modules, (target) => builtFrom(target, npm.tsup.entry));
  const program = builtFrom(npm.bin[npm.name] ?? "", npm.tsup.entry);
  const compiled = rename(
    mapValues(paths, (targets) => targets[0]),
    npm.name,
  );
  const aliases = Object.entries(jsr.imports).filter(([name]) => name === npm.name || name.startsWith(`${npm.name}/`));
  return [
    ...differences("package.json exports", built, jsr.exports),
    ...differences("tsconfig.json paths", compiled, jsr.exports),
    ...differences("deno.json imports", rename(Object.fromEntries(aliases), npm.name), jsr.exports),
    ...(program === undefined ? ["package.json bin: no such entry in tsup"] : []),
    ...Object.values(npm.tsup.entry)
      .filter((file) => ![...Object.values(jsr.exports), program].includes(`./${file}`))
      .map((file) => `tsup builds ${file}, which nothing exports`),
  ];
}

/** The source that the build turns into this target; both of its files must come from it. */
function builtFrom(
  target: string | { readonly types: string; readonly default: string },
  entry: Readonly<Record<string, string>>,
): string | undefined {
  const code = typeof target === "string" ? target : target.default;
  const name = code.match(/^(?:\.\/)?dist\/(.+)\.js$/)?.[1] ?? "";
  if (typeof target !== "string" && target.types !== `./dist/${name}.d.ts`) return `types at ${target.types}`;
  return entry[name] === undefined ? undefined : `./${entry[name]}`;
}

function versionTroubles({ npm, jsr, changelog }: Manifests): string[] {
  const newest = changelog.match(/^## (\S+)/m)?.[1];
  const versions = { "deno.json": jsr.version, "CHANGELOG.md": newest };
  const known: Readonly<Record<string, string>> = { ...npm.devDependencies, ...npm.dependencies };
  const wanted = Object.entries(jsr.imports).flatMap(([, address]) => {
    const [, name = "", range = ""] = address.match(/^npm:(@?[^@]+)@\^?([^/]+)/) ?? [];
    return name !== "" && known[name]?.replace("^", "") !== range ? [`deno.json wants ${name} ${range}`] : [];
  });
  const own = Object.entries(versions).filter(([, version]) => version !== npm.version);
  return [...own.map(([file, version]) => `${file} says ${version}, package.json ${npm.version}`), ...wanted];
}

function differences(
  map: string,
  actual: Record<string, string | undefined>,
  wanted: Record<string, string>,
): string[] {
  const paths = new Set([...Object.keys(actual), ...Object.keys(wanted)]);
  return [...paths]
    .filter((path) => actual[path] !== wanted[path])
    .map((path) => `${map}: "${path}" is ${actual[path]}, in deno.json ${wanted[path]}`);
}

function mapValues<In, Out>(map: Readonly<Record<string, In>>, change: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}

function rename<Value>(map: Readonly<Record<string, Value>>, name: string): Record<string, Value> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key.replace(name, "."), value]));
}

const maps = suite("the package");

maps("exports the same modules everywhere", () => {
  assert.equal(disagreements(manifests()), []);
});

maps("that exports something else in one place is seen", () => {
  const { npm, jsr, paths, changelog } = manifests();
  const more = { ...jsr, exports: { ...jsr.exports, "./extra": "./src/entry/extra.ts" } };
  assert.is(disagreements({ npm, jsr: more, paths, changelog }).length, 3);
  const { "./locks": _, ...fewer } = npm.exports;
  assert.is(disagreements({ npm: { ...npm, exports: fewer }, jsr, paths, changelog }).length, 1);
  const entry = { ...npm.tsup.entry, "entry/kv": "src/entry/locks.ts", spare: "src/spare.ts" };
  assert.is(disagreements({ npm: { ...npm, tsup: { entry } }, jsr, paths, changelog }).length, 2);
});

maps("has one version, and one range for each dependency", () => {
  assert.equal(versionTroubles(manifests()), []);
});

maps("with two versions is seen", () => {
  const all = manifests();
  assert.is(versionTroubles({ ...all, jsr: { ...all.jsr, version: "9.9.9" } }).length, 1);
  assert.is(versionTroubles({ ...all, changelog: "# Changelog\n\n## 9.9.9\n" }).length, 1);
  const imports = { ...all.jsr.imports, ws: "npm:ws@^1.0.0" };
  assert.is(versionTroubles({ ...all, jsr: { ...all.jsr, imports } }).length, 1);
});

maps.run();
