import { readFileSync } from "node:fs";
import ts from "typescript";

/** One module specifier in a file: of an import, an export from, an `import()` call or an `import("…")` type. */
export interface Import {
  specifier: string;
  /** Counted from 1. */
  line: number;
  /** When the module is loaded: with the file, by an `import()`, or not at all, since types are erased. */
  loads: "at once" | "on demand" | "never";
}

/** Every module that the TypeScript or JavaScript file at `path` names with a string literal, in order. */
export function readImports(path: string): Import[] {
  const file = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest);
  const imports: Import[] = [];

  function add(specifier: ts.Node | undefined, loads: Import["loads"]): void {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return;
    const line = file.getLineAndCharacterOfPosition(specifier.getStart(file)).line + 1;
    imports.push({ specifier: specifier.text, line, loads });
  }

  function visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node)) {
      add(
        node.moduleSpecifier,
        node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword ? "never" : "at once",
      );
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly ? "never" : "at once");
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, "never");
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], "on demand");
    }
    ts.forEachChild(node, visit);
  }
  visit(file);
  return imports;
}
