// The text of a `.stats` file. Knows its layout, not where its values come from.
import type { LocalTime } from './localTime';
import type { SimulatedJob } from './simulatedJob';
import { jobEntries, nodeEntries, type StatisticsEntry } from './statisticsEntries';

/** Width of the key column; longer keys push their value. */
const keyWidth = 25;
/** The same of `pjstat -s`. */
export const pjstatKeyWidth = 31;
const separator = '-'.repeat(80);

/** ` KEY<blanks> : value` lines. */
export function renderEntries(entries: readonly StatisticsEntry[], width = keyWidth): string {
  return entries.map(([key, value]) => ` ${key.padEnd(width)} : ${value}\n`).join('');
}

/** Job section, and with `-S` one section for each node. */
export function renderStatistics(job: SimulatedJob, localTime: LocalTime): string {
  const nodes = job.spec.statistics === 'nodes' ? job.nodes : [];
  const sections = nodes.map(
    (_, rank) =>
      `${separator}\nNode Statistical Information\n\n${renderEntries(nodeEntries(job, rank, localTime))}\n`,
  );
  const own = renderEntries(jobEntries(job, localTime));
  return `Job Statistical Information\n\n${own}\n${sections.join('')}`;
}
