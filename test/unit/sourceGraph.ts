// The import graph of src/ as the TypeScript compiler reads it, types apart from values.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');

export interface Import {
  /** Importing file, as `src/jobs/tail.ts`. */
  readonly from: string;
  /** Imported file in the same form, or a package such as `ssh2` or `node:fs`. */
  readonly to: string;
  /** True when nothing of it is left after compilation. */
  readonly isTypeOnly: boolean;
  /** True for `import(...)`: loaded when the line is reached, not with the file. */
  readonly isLazy: boolean;
}

export interface SourceFile {
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly hasDefaultExport: boolean;
  /** Names of its exported functions, classes, types and constants. */
  readonly exports: readonly string[];
}

/** Every source file below src/, in order. */
export function readSources(): readonly SourceFile[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => readSource(posix.join('src', ...name.split(sep))));
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  let hasDefaultExport = false;
  const add = (specifier: ts.Node | undefined, isTypeOnly: boolean, isLazy = false) => {
    if (specifier && ts.isStringLiteralLike(specifier))
      imports.push({ from: path, to: resolve(path, specifier.text), isTypeOnly, isLazy });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isErased(node.importClause));
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false, true);
    if (ts.isCallExpression(node) && node.expression.getText(source) === 'require')
      add(node.arguments[0], false);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    if (ts.isExportAssignment(node)) hasDefaultExport = true;
    if (ts.canHaveModifiers(node))
      hasDefaultExport ||= (ts.getModifiers(node) ?? []).some(
        ({ kind }) => kind === ts.SyntaxKind.DefaultKeyword,
      );
    if (ts.isExportSpecifier(node)) hasDefaultExport ||= node.name.text === 'default';
    ts.forEachChild(node, visit);
  };
  visit(source);
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  const exports = exportedNames(source);
  return { path, lines, imports, hasDefaultExport, exports };
}

function exportedNames(source: ts.SourceFile): string[] {
  return source.statements.flatMap((statement) => {
    if (!ts.canHaveModifiers(statement)) return [];
    const isExported = (ts.getModifiers(statement) ?? []).some(
      ({ kind }) => kind === ts.SyntaxKind.ExportKeyword,
    );
    if (!isExported) return [];
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.map(({ name }) => name.getText(source));
    const { name } = statement as ts.Node & { name?: ts.Node };
    return name ? [name.getText(source)] : [];
  });
}

/** `import type`, or only `type` names inside the braces. */
function isErased(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  if (clause.name || !names || !ts.isNamedImports(names)) return false;
  return names.elements.length > 0 && names.elements.every(({ isTypeOnly }) => isTypeOnly);
}

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  const path = posix.normalize(posix.join(posix.dirname(from), specifier));
  if (path.endsWith('.json')) return path;
  return `${path.replace(/\.js$/, '')}.ts`;
}

/** The layer of a file: its folder below src/, or the file itself for those that lie in src/. */
export function layerOf(path: string): string {
  const [first = '', second = '', third] = path.split('/');
  if (first !== 'src') return first.startsWith('l10n') ? 'l10n' : path;
  return third === undefined ? second : second;
}

/** Import cycles, each as the path of files that closes it. */
export function findCycles(
  sources: readonly SourceFile[],
  isCounted: (item: Import) => boolean,
): string[][] {
  const edges = new Map(
    sources.map(({ path, imports }) => [path, imports.filter(isCounted).map(({ to }) => to)]),
  );
  const done = new Set<string>();
  const cycles: string[][] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path]);
    if (at >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) walk(path, []);
  return cycles;
}

/** Everything that is loaded with a file: its value imports, and theirs, without the lazy ones. */
export function loadedWith(sources: readonly SourceFile[], path: string): ReadonlySet<string> {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const loaded = new Set<string>();
  const waiting = [path];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
    for (const { to, isTypeOnly, isLazy } of byPath.get(next)?.imports ?? [])
      if (!isTypeOnly && !isLazy && !loaded.has(to)) {
        loaded.add(to);
        waiting.push(to);
      }
  return loaded;
}
