// What the snippets give when every default is accepted: scripts that PJM and bash take, workflows that load.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { furoGroups } from '../../../src/pjm/furo';
import { validateScript } from '../../../src/pjm/validate';
import { loadWorkflow } from '../../../src/workflow/loadWorkflow';
import { expandSnippet, type Snippet } from './expandSnippet';

const root = join(import.meta.dirname, '../../..');

function readSnippets(file: string): [name: string, snippet: Snippet][] {
  const path = join(root, 'snippets', file);
  return Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, Snippet>);
}

const scripts = readSnippets('pjm-job.json').map(
  ([name, snippet]) => [name, expandSnippet(snippet)] as const,
);
const batchScripts = scripts.filter(([name]) => !name.includes('interactive'));

/** Lines up to the first that is no comment: the only ones in which PJM looks for directives. */
function leadingBlock(text: string): string[] {
  const lines = text.split('\n');
  return lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('#')),
  );
}

describe('expandSnippet', () => {
  const expand = (...body: string[]) => expandSnippet({ prefix: '', description: '', body });

  it('reads what our snippets use', () => {
    expect(expand('a ${1:b} ${2|c,d|}', '$0')).toBe('a b c\n');
    expect(expand('"\\${X:-0\\}" ${0:y "\\${Z\\}"} \\\\')).toBe('"${X:-0}" y "${Z}" \\');
    expect(expand('${2:x} ${2:x} $2')).toBe('x x x');
  });

  it('refuses slips', () => {
    expect(() => expand('echo $HOME')).toThrow('Unescaped');
    expect(() => expand('${1:x')).toThrow('open');
  });
});

describe('job scripts', () => {
  it('cover the kinds of jobs', () => {
    expect(scripts).toHaveLength(6);
    expect(batchScripts).toHaveLength(5);
  });

  it.each(batchScripts)('%s: all directives stand in the leading block', (_, text) => {
    const block = leadingBlock(text);
    expect(block[0]).toBe('#!/bin/bash');
    const inBlock = block.filter((line) => line.startsWith('#PJM'));
    expect(inBlock.length).toBeGreaterThanOrEqual(5);
    expect(text.split('\n').filter((line) => line.startsWith('#PJM'))).toEqual(inBlock);
    for (const line of inBlock) expect(line).toMatch(/^#PJM (-[jS]|-L \w+=\S+|--mpi proc=\d+)$/);
  });

  it.each(batchScripts)('%s: PJM has nothing against it', (_, text) => {
    expect(validateScript(text, furoGroups)).toEqual([]);
  });

  it.each(scripts)('%s: is bash', (_, text) => {
    expect(() => execFileSync('bash', ['-n'], { input: text })).not.toThrow();
    expect(text).toContain('export PYTHONUNBUFFERED=1');
  });

  it.each(batchScripts)('%s: runs, and ends with the exit code of its program', (name, text) => {
    const folder = mkdtempSync(join(tmpdir(), 'furo-snippet-'));
    try {
      const result = runScript(folder, text);
      expect(result.stderr).toBe('');
      expect(result.stdout, name).toContain('program main.py');
      expect(result.status).toBe(7);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Runs a script as a job would start, with programs that only tell how they were called. */
function runScript(folder: string, text: string) {
  const bin = join(folder, 'bin');
  const conda = join(folder, 'miniconda3/bin');
  mkdirSync(bin);
  mkdirSync(conda, { recursive: true });
  const program = '#!/bin/sh\nfor last; do :; done\necho "program main.py: $*"\nexit 7\n';
  for (const name of ['python', 'torchrun', 'mpirun']) writeProgram(join(bin, name), program);
  writeProgram(join(bin, 'module'), '#!/bin/sh\n[ "$1" = load ]\n');
  writeProgram(join(bin, 'pjrsh'), '#!/bin/sh\n');
  // Like the real hook, this one reads a variable that is unset at first.
  const hook = 'conda() { test "$1" = activate && CONDA_SHLVL=$((CONDA_SHLVL + 1)) && : "$PS1"; }';
  writeProgram(join(conda, 'conda'), `#!/bin/sh\ncat <<'END'\n${hook}\nEND\n`);
  writeFileSync(join(folder, 'nodes'), '10.0.0.1\n10.0.0.2\n');
  writeFileSync(join(folder, 'job.sh'), text);
  return spawnSync('bash', ['job.sh'], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      HOME: folder,
      PJM_JOBID: '1996122',
      PJM_MPI_PROC: '8',
      PJM_O_NODEINF: join(folder, 'nodes'),
      PJM_O_WORKDIR: folder,
    },
  });
}

function writeProgram(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

describe('workflows', () => {
  it.each(readSnippets('furo-workflow.json'))('%s: loads without a problem', (_, snippet) => {
    const { value, problems } = loadWorkflow(expandSnippet(snippet));
    expect(problems).toEqual([]);
    expect(value).toHaveLength(1);
  });

  it('keeps the braces of the prompt template', () => {
    const inference = readSnippets('furo-workflow.json')[0]?.[1];
    const { value } = loadWorkflow(inference ? expandSnippet(inference) : '');
    expect(value[0]?.work).toMatchObject({ inference: { promptTemplate: '{{ question }}' } });
  });
});
