import { posix } from "node:path";
import ts from "typescript";
import type { Source } from "./source.ts";

/** The names a module exports, sorted; types are marked, as they vanish at run time. */
export function exportedNames(source: Source, read: (path: string) => Source): string[] {
  return [...new Set(source.tree.statements.flatMap((statement) => namesOf(statement, source, read)))].sort();
}

function namesOf(statement: ts.Statement, source: Source, read: (path: string) => Source): string[] {
  if (ts.isExportDeclaration(statement)) {
    const { exportClause: clause } = statement;
    if (clause === undefined) {
      const names = exportedNames(read(starTarget(statement, source)), read);
      return statement.isTypeOnly ? names.map((name) => mark(name.replace(" (type)", ""), true)) : names;
    }
    if (ts.isNamespaceExport(clause)) return [clause.name.text];
    return clause.elements.map((one) => mark(one.name.text, statement.isTypeOnly || one.isTypeOnly));
  }
  if (!isExported(statement)) return [];
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map((declaration) => declaration.name.getText());
  }
  const type = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
  const { name } = statement as ts.Statement & { readonly name?: ts.Identifier };
  return [mark(name?.text ?? "default", type)];
}

function starTarget(statement: ts.ExportDeclaration, source: Source): string {
  return posix.join(posix.dirname(source.path), (statement.moduleSpecifier as ts.StringLiteral).text);
}

function isExported(statement: ts.Statement): boolean {
  if (!ts.canHaveModifiers(statement)) return false;
  return (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
}

function mark(name: string, type: boolean): string {
  return type ? `${name} (type)` : name;
}
