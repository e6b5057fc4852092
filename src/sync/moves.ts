// The renames of a plan, in the order in which every moment shows old or new files. Pure: text and values only.
import { shellQuote } from '../ssh/shellQuote';
import type { Part } from './largeParts';
import type { HashedFile, SyncPlan } from './plan';
import { STAGING_FOLDER } from './remoteListing';
import { foldersOf } from './remoteState';
import type { RemoteTree } from './remoteTree';

/** Everything that changes names in the project folder, in order. Paths are below it. */
export interface Moves {
  /** Files that stand where a folder must be, or in a folder where a file must be. */
  readonly removedFirst: readonly string[];
  /** Those folders, the deepest first. */
  readonly emptied: readonly string[];
  /** A version of somebody else that keeps a name of its own. */
  readonly copies: readonly { readonly path: string; readonly copy: string }[];
  /** Folders that are new with everything in them: one rename each. */
  readonly wholeFolders: readonly string[];
  readonly folders: readonly string[];
  /** Small files by the folder they go to, '' for the project itself. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** Large files under the name that they wait under. */
  readonly parts: readonly {
    readonly name: string;
    readonly path: string;
    readonly mode: number;
  }[];
  readonly removedLast: readonly string[];
}

const WORDS_AT_ONCE = 500;

/** The renames as a script for sh, which stops at the first that fails. */
export function renderMoves(
  moves: Moves,
  place: {
    readonly staging: string;
    readonly mtimeSeconds: number;
    readonly swept: readonly string[];
  },
): string {
  const { staging, mtimeSeconds, swept } = place;
  const staged = (path: string): string => word(`${staging}/f/${path}`);
  const waiting = (name: string): string => word(`${STAGING_FOLDER}/${name}`);
  const { emptied, copies, wholeFolders, files, parts } = moves;
  return [
    'set -e',
    ...commands('rm -f --', moves.removedFirst.map(word)),
    ...commands('rmdir --', emptied.map(word)),
    ...copies.map(({ path, copy }) => {
      const both = `${word(path)} ${word(copy)}`;
      return `ln -f -- ${both} 2>/dev/null || cp -p -- ${both}`;
    }),
    ...wholeFolders.map((folder) => `mv -fT -- ${staged(folder)} ${word(folder)}`),
    ...commands('mkdir -p --', moves.folders.map(word)),
    ...[...files].flatMap(([folder, paths]) =>
      commands(`mv -f -t ${word(folder)} --`, paths.map(staged)),
    ),
    ...parts.flatMap(({ name, path, mode }) => [
      `touch -d @${String(mtimeSeconds)} -- ${waiting(name)}`,
      `chmod ${mode.toString(8)} -- ${waiting(name)}`,
      `mv -fT -- ${waiting(name)} ${word(path)}`,
    ]),
    ...commands('rm -f --', moves.removedLast.map(word)),
    ...commands('rm -rf --', swept.map(word)),
    '',
  ].join('\n');
}

function word(path: string): string {
  return shellQuote(`./${path}`);
}

function commands(start: string, words: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < words.length; at += WORDS_AT_ONCE)
    lines.push(`${start} ${words.slice(at, at + WORDS_AT_ONCE).join(' ')}`);
  return lines;
}

/** What must be so on the other side when the renames begin, as files that the script compares. */
export interface Expectation {
  /** Names with NUL between them, and for each a line of size and time. */
  readonly seen: string;
  readonly facts: string;
  /** Names with NUL between them where nothing may be. */
  readonly absent: string;
}

export interface MovesInput {
  readonly plan: SyncPlan;
  readonly tree: RemoteTree;
  readonly small: readonly HashedFile[];
  readonly parts: readonly Part[];
}

/** Small files of a folder that is new travel with it; the others go to their folder one by one. */
export function planMoves(input: MovesInput): Moves {
  const { plan, tree, small, parts } = input;
  const needed = foldersOf(plan.uploads.map((file) => file.path));
  const isMissing = (folder: string): boolean => needed.has(folder) && !tree.folders.has(folder);
  const wholeFolders = new Set<string>();
  const files = new Map<string, string[]>();
  for (const { path } of small) {
    const top = [...foldersOf([path])].sort().find(isMissing);
    const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (top !== undefined) wholeFolders.add(top);
    else files.set(folder, [...(files.get(folder) ?? []), path]);
  }
  return {
    ...orderOfRemovals(plan),
    copies: plan.kept.flatMap(({ path, copy }) => (copy === undefined ? [] : [{ path, copy }])),
    wholeFolders: [...wholeFolders],
    folders: [...foldersOf(parts.map(({ file }) => file.path))].filter(isMissing),
    files,
    parts: parts.map(({ name, file }) => ({ name, path: file.path, mode: file.mode })),
  };
}

/** What makes room for these uploads goes first; the rest stays until what replaces it is there. */
export function orderOfRemovals(
  plan: Pick<SyncPlan, 'uploads' | 'removals' | 'emptied'>,
): Pick<Moves, 'removedFirst' | 'emptied' | 'removedLast'> {
  const paths = plan.uploads.map((file) => file.path);
  const needed = foldersOf(paths);
  const emptied = plan.emptied.filter((folder) =>
    paths.some((path) => `${folder}/`.startsWith(`${path}/`)),
  );
  const isFirst = (path: string): boolean =>
    needed.has(path) || emptied.some((folder) => path.startsWith(`${folder}/`));
  return {
    removedFirst: plan.removals.filter(isFirst),
    emptied,
    removedLast: plan.removals.filter((path) => !isFirst(path)),
  };
}

export function expectation({ plan, tree }: MovesInput, moves: Moves): Expectation {
  const touched = [...plan.uploads.map((file) => file.path), ...plan.removals];
  const seen = touched.flatMap((path) => {
    const fact = tree.entries.get(path);
    return fact?.kind === 'file' ? [{ path, line: `${fact.size} ${fact.mtimeSeconds}\n` }] : [];
  });
  const made = [...moves.wholeFolders, ...moves.copies.map(({ copy }) => copy)];
  const absent = [...made, ...touched].filter((path) => !tree.entries.has(path));
  return {
    seen: seen.map(({ path }) => `./${path}\0`).join(''),
    facts: seen.map(({ line }) => line).join(''),
    absent: absent.map((path) => `./${path}\0`).join(''),
  };
}
