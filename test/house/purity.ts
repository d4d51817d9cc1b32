import ts from "typescript";
import { importsOf, lineOf, type Source, walk } from "./source.ts";

const core = [/^src\/(protocol|paxos|config|rsm|machine|kv)\//, /^src\/locks\/machine/];

/** Where the name of a runtime may be written at all. */
const hands = [/^transports\/websocket/, /^src\/storage\/file/, /^src\/entry\//];

const impureNames = new Set([
  "Date",
  "performance",
  "Temporal",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "queueMicrotask",
  "crypto",
  "Promise",
  "console",
  "globalThis",
  "fetch",
  "WebSocket",
  "WeakRef",
  "FinalizationRegistry",
  // Locales differ between engines and machines.
  "Intl",
]);

const impureProperty = /^(localeCompare|toLocale\w*)$/;
const runtimeNames = new Set(["Deno", "Bun", "process", "Buffer"]);

/** Clocks, timers, randomness, I/O and waiting in the core: replicas would differ. */
export function impurities(source: Source): string[] {
  if (!core.some((place) => place.test(source.path))) return [];
  const found: string[] = [];
  walk(source.tree, (node) => {
    const name = impurityOf(node);
    if (name !== undefined && !isContract(source, node) && !isDateValue(source, node))
      found.push(`${lineOf(source, node)}: ${name} in the core`);
  });
  return found;
}

/** The storage and transport contracts are types over promises; their place is with the shared words. */
function isContract({ path }: Source, node: ts.Node): boolean {
  return path.startsWith("src/protocol/") && ts.isTypeReferenceNode(node.parent) && node.getText() === "Promise";
}

/** Dates are values that the codec carries, and a clock only when nobody says which moment is meant. */
function isDateValue({ path }: Source, node: ts.Node): boolean {
  const { parent } = node;
  if (path !== "src/protocol/values.ts" || !ts.isIdentifier(node) || node.text !== "Date") return false;
  if (ts.isTypeReferenceNode(parent)) return true;
  if (ts.isPropertyAccessExpression(parent)) return parent.name.text === "prototype";
  if (ts.isBinaryExpression(parent)) return parent.operatorToken.kind === ts.SyntaxKind.InstanceOfKeyword;
  const [moment] = ts.isNewExpression(parent) ? (parent.arguments ?? []) : [];
  return moment !== undefined && !ts.isSpreadElement(moment);
}

function impurityOf(node: ts.Node): string | undefined {
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return "async";
  if (ts.isAwaitExpression(node)) return "await";
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) return "for await";
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return "import()";
  if (ts.isPropertyAccessExpression(node)) {
    if (node.expression.getText() === "Math" && node.name.text === "random") return "Math.random";
    if (impureProperty.test(node.name.text)) return node.name.text;
  }
  return isReference(node) && impureNames.has(node.text) ? node.text : undefined;
}

/** Names of one runtime outside the few files that meet the runtime. */
export function runtimeNamesIn(source: Source): string[] {
  if (hands.some((place) => place.test(source.path))) return [];
  const found = importsOf(source)
    .filter(({ specifier }) => /^(node|bun|deno|npm|jsr):/.test(specifier))
    .map(({ specifier }) => `${source.path}: imports ${specifier}`);
  walk(source.tree, (node) => {
    if (isReference(node) && runtimeNames.has(node.text) && !isOwnProcess(node))
      found.push(`${lineOf(source, node)}: ${node.text}`);
  });
  return found;
}

/** `process` is a fair name for a function of our own; the runtime's is an object. */
function isOwnProcess(node: ts.Identifier): boolean {
  return node.text === "process" && !ts.isPropertyAccessExpression(node.parent);
}

/** A use of a free name or a type of that name: not a property, a key, a parameter or a label. */
function isReference(node: ts.Node): node is ts.Identifier {
  if (!ts.isIdentifier(node)) return false;
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  if (ts.isBindingElement(parent)) return parent.initializer === node;
  const named = parent as { name?: ts.Node };
  return named.name !== node;
}
