// A JobRequest and its commands as a batch script. Knows the form of `#PJM` lines, not what the commands do.
import { quoteWord } from './directive';
import { renderElapse } from './elapse';
import type { JobRequest } from './jobRequest';

/** The `#PJM` lines of a request, in the order that people expect: group, size, time, names, output. */
export function renderDirectives(request: JobRequest): readonly string[] {
  const { nodes, gpus, jobEnvironment, projectGroup, name, mpiProcesses, comment } = request;
  const line = (flag: string, value?: string | number) =>
    value === undefined ? `#PJM ${flag}` : `#PJM ${flag} ${quoteWord(String(value))}`;
  return [
    line('-L', `rscgrp=${request.resourceGroup}`),
    ...(nodes === undefined ? [] : [line('-L', `node=${nodes}`)]),
    ...(gpus === undefined ? [] : [line('-L', `gpu=${gpus}`)]),
    line('-L', `elapse=${renderElapse(request.elapseSeconds)}`),
    ...(jobEnvironment === undefined ? [] : [line('-L', `jobenv=${jobEnvironment}`)]),
    ...(mpiProcesses === undefined ? [] : [line('--mpi', `proc=${mpiProcesses}`)]),
    ...(projectGroup === undefined ? [] : [line('-g', projectGroup)]),
    ...(name === undefined ? [] : [line('-N', name)]),
    ...(comment === undefined ? [] : [line('--comment', comment)]),
    ...(request.joinOutput ? [line('-j')] : []),
    ...(request.statistics === 'job' ? [line('-s')] : []),
    ...(request.statistics === 'nodes' ? [line('-S')] : []),
  ];
}

/** A whole batch script; `parseScript` and `toJobRequest` read the same request back. */
export function renderScript(request: JobRequest, body: readonly string[]): string {
  return ['#!/bin/bash', ...renderDirectives(request), '', ...body, ''].join('\n');
}

/** A name that `-N` takes: letters first, no slash or blank, at most 63 bytes. */
export function toJobName(text: string): string {
  const safe = text
    .normalize('NFC')
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[^A-Za-z]+/, '')
    .slice(0, 63);
  return safe === '' ? 'job' : safe;
}
