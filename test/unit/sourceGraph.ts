// The import graph of src/ as the TypeScript compiler reads it, types apart from values.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');

export interface Import {
  /** Importing file, as `src/jobs/tail.ts`. */
  readonly from: string;
  /** Imported file in the same form, or a package such as `ssh2` or `node:fs`. */
  readonly to: string;
  /** True when nothing of it is left after compilation. */
  readonly isTypeOnly: boolean;
}

export interface SourceFile {
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly hasDefaultExport: boolean;
  /** True for `export { x } from` and `export * from`. */
  readonly passesOn: boolean;
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
  let passesOn = false;
  const add = (specifier: ts.Node | undefined, isTypeOnly: boolean) => {
    if (specifier && ts.isStringLiteralLike(specifier))
      imports.push({ from: path, to: resolve(path, specifier.text), isTypeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isErased(node.importClause));
    if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      passesOn = true;
      add(node.moduleSpecifier, node.isTypeOnly);
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
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
  return { path, lines, imports, hasDefaultExport, passesOn };
}

/** `import type`, or only `type` names inside the braces. */
function isErased(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false;
  if (clause.isTypeOnly) return true;
  const names = clause.namedBindings;
  if (clause.name || !names || !ts.isNamedImports(names)) return false;
  return names.elements.length > 0 && names.elements.every(({ isTypeOnly }) => isTypeOnly);
}

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  const path = posix.normalize(posix.join(dirname(from), specifier));
  if (path.endsWith('.json')) return path;
  return `${path.replace(/\.js$/, '')}.ts`;
}

/** The layer of a file: its folder below src/, or the file itself for those that lie in src/. */
export function layerOf(path: string): string {
  const [first = '', second = '', third] = path.split('/');
  if (first !== 'src') return first.startsWith('l10n') ? 'l10n' : path;
  return third === undefined ? second : second;
}

/** Import cycles among values, each as the path of files that closes it. */
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

export function repositoryPath(file: string): string {
  return relative(root, file).split(sep).join('/');
}
