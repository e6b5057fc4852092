// Collects the sentences that the source hands to a translator, and the calls that hand over something else.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '../../..');

/** A place in the source, as `src/words/stateText.ts:12`. */
export interface Sentence {
  readonly text: string;
  readonly place: string;
}

export interface Sentences {
  readonly literals: readonly Sentence[];
  /** Calls whose first argument is no literal; `text` is that argument as written. */
  readonly computed: readonly Sentence[];
}

/** Every `.ts` file below a folder of the repository, in order. */
export function sourceFiles(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, folder, name))
    .sort();
}

export function collectSentences(folders: readonly string[]): Sentences {
  const literals: Sentence[] = [];
  const computed: Sentence[] = [];
  for (const file of folders.flatMap((folder) => sourceFiles(folder))) {
    const source = ts.createSourceFile(
      file,
      readFileSync(file, 'utf8'),
      ts.ScriptTarget.Latest,
      true,
    );
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && isTranslator(node.expression)) {
        const first = node.arguments[0];
        const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        const place = `${relative(root, file)}:${line}`;
        if (first && ts.isStringLiteralLike(first)) literals.push({ text: first.text, place });
        else if (first) computed.push({ text: first.getText(source), place });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return { literals, computed };
}

/** `t(...)`, `translate(...)` and any `something.t(...)`; `position.translate(...)` moves a cursor. */
function isTranslator(callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) return callee.text === 't' || callee.text === 'translate';
  return ts.isPropertyAccessExpression(callee) && callee.name.text === 't';
}
