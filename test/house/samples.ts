import { join } from "node:path";
import ts from "typescript";
import { root } from "../runtimes.ts";

export interface Sample {
  /** Where it stands, for the message: `README.md:35`. */
  readonly place: string;
  readonly code: string;
}

/** The code blocks marked `ts` of a Markdown file, or of the comment that heads a source file. */
export function samplesIn(path: string, text: string): Sample[] {
  const shown = path.endsWith(".md") ? text : headOf(text);
  return [...shown.matchAll(/^```ts\n(.*?)^```$/gms)].map((block) => {
    const line = shown.slice(0, block.index).split("\n").length + 1;
    return { place: `${path}:${line}`, code: block[1] as string };
  });
}

/** Same lines, so that places stay right; only the stars are gone. */
function headOf(text: string): string {
  const comment = text.slice(0, text.indexOf("*/"));
  return comment.replaceAll(/^ \* ?/gm, "");
}

/** What the compiler says of the samples, each a module of its own that sees the package under its public names. */
export function troublesOf(samples: readonly Sample[]): string[] {
  const files = new Map(samples.map((sample, index) => [join(root, "test", `sample-${index}.ts`), sample]));
  const program = ts.createProgram([...files.keys()], readersOptions(), hostOf(files));
  return [...files].flatMap(([file, { place }]) => {
    const source = program.getSourceFile(file);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText }) => `${place}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
  });
}

/** Our strictness, without what is only asked of code that is published. */
function readersOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const looser = { declaration: false, isolatedDeclarations: false, noUnusedLocals: false, noUnusedParameters: false };
  return { ...options, ...looser };
}

function hostOf(files: ReadonlyMap<string, Sample>): ts.CompilerHost {
  const host = ts.createCompilerHost({});
  const readFile = (file: string): string | undefined => files.get(file)?.code ?? ts.sys.readFile(file);
  return {
    ...host,
    fileExists: (file) => files.has(file) || host.fileExists(file),
    readFile,
    getSourceFile: (file, version) => {
      const text = readFile(file);
      return text === undefined ? undefined : ts.createSourceFile(file, text, version);
    },
  };
}
