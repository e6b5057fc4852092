// The text of a `furo.yaml` -> its jobs, with every mistake at its line. Reads no file and never throws.
import { isMap, isScalar, LineCounter, parseDocument, type Node, type YAMLMap } from 'yaml';
import type { Parsed } from '../base/problem';
import { isInsideFolder, plainPath } from './paths';
import type { Generation, Inference, JobSettings } from './workflow';
import { inferenceFields, jobFields, pythonFields, workKeys } from './yamlFields';
import { YamlReader, type WorkflowProblemCode } from './yamlReader';

/** What the file says about one job; what it leaves out comes from the settings. */
export interface JobEntry {
  readonly name: string;
  /** Line of the job's name, counted from 0. */
  readonly line: number;
  readonly settings: Partial<JobSettings>;
  readonly work: WorkEntry;
}

export type WorkEntry =
  | { readonly kind: 'inference'; readonly inference: InferenceEntry }
  | { readonly kind: 'python'; readonly script: string; readonly arguments: readonly string[] }
  | { readonly kind: 'script'; readonly script: string };

export type InferenceEntry = Partial<Omit<Inference, 'generation'>> & Partial<Generation>;

/** Reads a whole file; jobs with a mistake are left out of the value. */
export function loadWorkflow(text: string): Parsed<readonly JobEntry[], WorkflowProblemCode> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const reader = new YamlReader(lines);
  for (const error of document.errors) {
    const range = reader.rangeBetween(...error.pos);
    const values = { detail: error.message };
    reader.problems.push({ code: 'yamlInvalid', severity: 'error', range, values });
  }
  if (reader.problems.length > 0) return { value: [], problems: reader.problems };
  const jobs = readFile(reader, document.contents);
  return { value: jobs, problems: reader.problems };
}

function readFile(reader: YamlReader, contents: Node | null): JobEntry[] {
  if (!isMap(contents)) {
    reader.report('noJobs', contents);
    return [];
  }
  const top = new Map(
    reader.pairs(contents, ['version', 'defaults', 'jobs']).map(({ key, pair }) => [key, pair]),
  );
  checkVersion(reader, contents, top.get('version')?.value);
  const defaultsNode = top.get('defaults')?.value ?? null;
  const defaultsMap = defaultsNode && reader.map('defaults', defaultsNode);
  const defaults = defaultsMap ? toSettings(reader.fields(defaultsMap, jobFields)) : {};
  const jobsNode = top.get('jobs')?.value;
  if (!isMap(jobsNode) || jobsNode.items.length === 0) {
    reader.report('noJobs', jobsNode ?? contents);
    return [];
  }
  return reader.pairs(jobsNode, 'any').flatMap(({ key, pair }) => {
    if (!/^[A-Za-z][\w.-]{0,62}$/.test(key)) {
      reader.report('jobNameUnusable', pair.key, { job: key });
      return [];
    }
    const map = reader.map(key, pair.value, pair.key);
    const job = map && readJob(reader, key, map);
    const line = reader.rangeOf(pair.key).startLine;
    return job ? [{ ...job, line, settings: { ...defaults, ...job.settings } }] : [];
  });
}

function checkVersion(reader: YamlReader, file: YAMLMap, node: Node | null | undefined): void {
  if (!node) reader.report('keyMissing', file, { key: 'version' });
  else if (!isScalar(node) || node.value !== 1) {
    const found = isScalar(node) ? String(node.value) : '?';
    reader.report('versionUnsupported', node, { found });
  }
}

function readJob(
  reader: YamlReader,
  name: string,
  map: YAMLMap,
): Omit<JobEntry, 'line'> | undefined {
  const before = reader.problems.length;
  const settings = toSettings(reader.fields(map, jobFields, workKeys));
  const present = workKeys.filter((key) => map.has(key));
  const [first, second] = present;
  if (first === undefined) reader.report('workMissing', map, { job: name });
  else if (second !== undefined) reader.report('workTwice', map, { job: name, first, second });
  else {
    const node = map.get(first, true) as Node | null;
    const work = readWork(reader, first, node);
    if (work && reader.problems.length === before) return { name, settings, work };
  }
  return undefined;
}

function readWork(
  reader: YamlReader,
  kind: (typeof workKeys)[number],
  node: Node | null,
): WorkEntry | undefined {
  if (kind === 'script') {
    const script = isScalar(node) && typeof node.value === 'string' ? node.value : undefined;
    if (script === undefined) {
      reader.report('valueWrong', node, { key: 'script', expected: 'text' });
      return undefined;
    }
    checkPath(reader, 'script', script, node);
    return { kind, script: plainPath(script) };
  }
  const map = reader.map(kind, node);
  if (!map) return undefined;
  if (kind === 'inference') {
    return { kind, inference: readInference(reader, map) };
  }
  const fields = reader.fields(map, pythonFields);
  const script = fields.get('script');
  if (typeof script !== 'string') {
    if (!map.has('script')) reader.report('keyMissing', map, { key: 'script' });
    return undefined;
  }
  checkPath(reader, 'script', script, nodeOf(map, 'script'));
  const given = fields.get('arguments');
  return {
    kind,
    script: plainPath(script),
    arguments: Array.isArray(given) ? (given as string[]) : [],
  };
}

function readInference(reader: YamlReader, map: YAMLMap): InferenceEntry {
  const inference = Object.fromEntries(reader.fields(map, inferenceFields)) as InferenceEntry;
  const { input, promptFunction } = inference;
  if (input !== undefined) checkPath(reader, 'input', input, nodeOf(map, 'input'));
  if (promptFunction !== undefined) {
    const node = nodeOf(map, 'promptFunction');
    checkPath(reader, 'promptFunction', promptFunction.replace(/:\w+$/, ''), node);
    if (map.has('promptTemplate')) reader.report('promptTwice', node);
  }
  return {
    ...inference,
    ...(input !== undefined && { input: plainPath(input) }),
    ...(promptFunction !== undefined && { promptFunction: plainPath(promptFunction) }),
  };
}

function nodeOf(map: YAMLMap, key: string): Node | null {
  return map.get(key, true) as Node | null;
}

/** Nothing in a workspace may name a file outside of it. */
function checkPath(reader: YamlReader, key: string, path: string, node: Node | null): void {
  if (!isInsideFolder(path)) reader.report('pathOutside', node, { key, path });
}

function toSettings(fields: ReadonlyMap<string, unknown>): Partial<JobSettings> {
  const entries = [...fields].map(([key, value]) => [
    key === 'elapse' ? 'elapseSeconds' : key,
    value,
  ]);
  return Object.fromEntries(entries) as Partial<JobSettings>;
}
