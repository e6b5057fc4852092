// What a sync did or would do, in words: rules, notes after a sync, and the whole preview. Knows values only.
import type { SyncPreview } from '../jobs/previewSync';
import type { Rule } from '../sync/ignoreRules';
import type { LocalFile } from '../sync/localTree';
import type { Manifest } from '../sync/manifest';
import type { HashedFile, KeptFile, SyncPlan } from '../sync/plan';
import type { SyncNotes, SyncSummary } from '../sync/upload';
import { failureText } from './failureText';
import type { Translate } from './translate';

/** Longer lists are cut; what is cut is counted. */
const MAX_LINES = 1000;

/** A rule with its place: `.gitignore:3 "data/"`. */
export function ruleText(rule: Rule, t: Translate): string {
  switch (rule.source) {
    case 'file':
      return `${rule.file}:${rule.line} "${rule.pattern}"`;
    case 'exclude':
      return `furo.sync.exclude "${rule.pattern}"`;
    case 'builtIn':
      return t('built-in rule "{0}"', rule.pattern);
    case 'always':
      return t('never sent');
  }
}

/** One sentence for each thing that a person should know after a sync. */
export function notesText({ spared, normalised, purged }: SyncNotes, t: Translate): string[] {
  const sentences = spared.map(
    ({ path, rule }) =>
    t('{0} was sent although a rule leaves it out ({1}), because the job needs it.', path, ruleText(rule, t)), // prettier-ignore
  );
  if (normalised.length > 0)
    sentences.push(
      t('Windows line ends were changed to Unix ones on the machine, not here: {0}', few(normalised, t)), // prettier-ignore
    );
  if (purged.length > 0)
    sentences.push(
      t('These files had vanished from the machine, as old files do by rule of the site, and were sent again: {0}', few(purged, t)), // prettier-ignore
    );
  return sentences;
}

/** One sentence for each reason why a sync left something other than what is here. */
export function keptNotes(
  { kept, skippedLinks }: Pick<SyncSummary, 'kept' | 'skippedLinks'>,
  t: Translate,
): string[] {
  const reasons = new Set(kept.map(({ why }) => why));
  const sentences = [...reasons].map((why) => {
    const files = kept.filter((file) => file.why === why);
    const copies = files.flatMap(({ copy }) => copy ?? []);
    const text =
      why === 'manyRemovals'
        ? t('deleted here, but kept on the machine, where jobs still find it')
        : keptText({ why, copy: few(copies, t) }, t);
    return `${few(files.map(({ path }) => path), t)}: ${text}`; // prettier-ignore
  });
  if (skippedLinks.length > 0)
    sentences.push(`${few(skippedLinks, t)}: ${t('a link that leads out of the folder or nowhere; it is not sent')}`); // prettier-ignore
  return sentences;
}

/** The first names of a list, with the number of the others. */
export function few(paths: readonly string[], t: Translate): string {
  const shown = paths.slice(0, 5).join(', ');
  return paths.length <= 5 ? shown : t('{0} and {1} more', shown, paths.length - 5);
}

/** The document that *Preview Sync* shows. */
export function syncPreviewText(preview: SyncPreview, t: Translate): string {
  const { localFolder, remoteFolder, planned, guard, tree } = preview;
  const head = [
    t('Preview of the sync. Nothing was sent.'),
    '',
    t('From: {0}', localFolder),
    t('To:   {0}', remoteFolder),
    '',
  ];
  const body = planned
    ? planSections(planned, tree.files, t)
    : guardSections(guard ? failureText(guard, t).message : '', tree.files, t);
  const leftOut = tree.leftOut.map(({ path, isFolder, rule }) => [
    isFolder ? `${path}/` : path,
    ruleText(rule, t),
  ]);
  const links = tree.skippedLinks.map((path) => [path, t('a link that leads out of the folder')]);
  const notSent = section(t('Left out'), [...leftOut, ...links], t);
  const same = planned ? unchangedSection(planned.plan, tree.files, t) : [];
  return `${[...head, ...body, ...notSent, ...same].join('\n').trimEnd()}\n`;
}

function planSections(
  { plan, manifest }: { plan: SyncPlan; manifest: Manifest },
  files: readonly LocalFile[],
  t: Translate,
): string[] {
  const why = reasons(files, t);
  const sent = plan.uploads.map((file) => [
    file.path,
    sizeText(file.size),
    [uploadText(file, { plan, manifest }, t), why(file.path)].filter(Boolean).join('; '),
  ]);
  const kept = plan.kept.map((each) => [each.path, keptText(each, t)]);
  const bytes = plan.uploads.reduce((sum, file) => sum + file.size, 0);
  const summary = [
    t('{0} files to send, {1} in all', plan.uploads.length, sizeText(bytes)),
    t('{0} to remove on the machine, {1} kept there, {2} unchanged', plan.removals.length, plan.kept.length, plan.unchanged.size), // prettier-ignore
    '',
  ];
  return [
    ...summary,
    ...section(t('To send'), sent, t),
    ...section(
      t('To remove on the machine'),
      plan.removals.map((path) => [path, t('deleted here; it was sent from here and is unchanged there')]), // prettier-ignore
      t,
    ),
    ...section(t('Kept on the machine'), kept, t),
  ];
}

function unchangedSection(plan: SyncPlan, files: readonly LocalFile[], t: Translate): string[] {
  const why = reasons(files, t);
  const rows = [...plan.unchanged].map(([path, { size }]) => [path, sizeText(size), why(path)]);
  return section(t('Unchanged'), rows, t);
}

/** Why a file is sent, where a rule speaks of it. */
function reasons(files: readonly LocalFile[], t: Translate): (path: string) => string {
  const found = new Map(files.map((file) => [file.path, file]));
  return (path) => whyText(found.get(path), t);
}

/** Too much to send: the heaviest files first, so that the one to leave out is seen. */
function guardSections(message: string, files: readonly LocalFile[], t: Translate): string[] {
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const heaviest = files
    .toSorted((a, b) => b.size - a.size)
    .map((file) => [file.path, sizeText(file.size), whyText(file, t)]);
  return [
    message,
    '',
    t('{0} files, {1} in all', files.length, sizeText(bytes)),
    '',
    ...section(t('Largest files'), heaviest, t),
  ];
}

function uploadText(
  file: HashedFile,
  { plan, manifest }: { plan: SyncPlan; manifest: Manifest },
  t: Translate,
): string {
  const parts = [t('new')];
  if (plan.purged.includes(file.path)) parts[0] = t('vanished from the machine, sent again');
  else if (manifest.files.has(file.path)) parts[0] = t('changed');
  else if (plan.kept.some(({ path }) => path === file.path)) parts[0] = t('replaces another file');
  if (file.isNormalised) parts.push(t('Windows line ends become Unix ones'));
  return parts.join(', ');
}

function whyText(file: LocalFile | undefined, t: Translate): string {
  const { rule, because } = file?.verdict ?? {};
  if (!rule) return '';
  const text = ruleText(rule, t);
  if (because === 'needed') return t('the job needs it, in spite of {0}', text);
  if (because === 'include') return t('furo.sync.include, in spite of {0}', text);
  return t('taken in by {0}', text);
}

function keptText({ why, copy }: Pick<KeptFile, 'why' | 'copy'>, t: Translate): string {
  switch (why) {
    case 'changedRemotely':
      return t('changed on the machine; it stays as it is there');
    case 'bothChanged':
      return t(
        'changed on both sides; the one here is sent, the one there is kept as {0}',
        copy ?? '',
      );
    case 'inTheWay':
      return t(
        'a link or folder there has this name, or a file that of a folder above it; the file here is not sent',
      );
    case 'manyRemovals':
      return t('deleted here, with so many others that it is asked about first');
  }
}

function section(title: string, rows: readonly (readonly string[])[], t: Translate): string[] {
  if (rows.length === 0) return [];
  const shown = rows.slice(0, MAX_LINES);
  const width = Math.min(60, Math.max(...shown.map(([first = '']) => first.length)));
  const lines = shown.map(([first = '', ...others]) =>
    `  ${first.padEnd(width)}  ${others.filter(Boolean).join('  ')}`.trimEnd(),
  );
  const more = rows.length - shown.length;
  return [
    `${title} (${rows.length})`,
    ...lines.map(harmless),
    ...(more > 0 ? [`  ${t('and {0} more', more)}`] : []),
    '',
  ];
}

/** A file name must not be able to write lines of its own or turn the text around. */
function harmless(line: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return line.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd'); // prettier-ignore
}

/** Bytes as `12 B`, `3.4 KB`, `5.6 MB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${units[power - 1] ?? ''}`;
}
