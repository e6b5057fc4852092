// Power lines of a `.stats` file. The simulator measures nothing: the figures are those of an idle real node.
import type { LocalTime } from './localTime';
import type { SimulatedJob } from './simulatedJob';

/** A line of the statistics: key and value. */
export type StatisticsEntry = readonly [key: string, value: string];

/** Watts of an idle V100. */
export const idlePower = 40;

const kinds = [
  'AVG POWER CONSUMPTION OF',
  'MAX POWER CONSUMPTION OF',
  'MIN POWER CONSUMPTION OF',
  'ENERGY CONSUMPTION OF',
] as const;

const idealParts = [
  'CORES/CMG',
  'L2CACHE/CMG',
  'MEM/CMG',
  'TOFU',
  'CPU PERIPHERALS',
  'OPTICAL MODULE',
  'PCI-E',
  'NODE',
] as const;

/** Watts of the node, of each processor and of its memory, as on the idle node of a real file. */
const measured = {
  'NODE (MEASURED)': ['128.169925', '128.186412', '128.147711', '3.721550'],
  'CPU/PKG(0)': ['53.887111', '54.198018', '53.656368', '1.564670'],
  'CPU/PKG(1)': ['53.637555', '53.966361', '53.194515', '1.557423'],
  'MEM/PKG(0)': ['9.744298', '9.851808', '9.664508', '0.282936'],
  'MEM/PKG(1)': ['10.900962', '10.903371', '10.899175', '0.316521'],
} as const;

function lines(part: string, values?: readonly string[]): StatisticsEntry[] {
  return kinds.map((kind, index) => [`${kind} ${part}`, values?.[index] ?? '-']);
}

/** Measured for whole nodes only; a shared node cannot tell whose power it is (state 8 in the real files). */
export function powerEntries(
  isWholeNode: boolean,
  job: SimulatedJob,
  localTime: LocalTime,
): StatisticsEntry[] {
  return [
    ...idealParts.flatMap((part) => lines(`${part} (IDEAL)`)),
    ...lines('NODE (MEASURED)', isWholeNode ? measured['NODE (MEASURED)'] : undefined),
    ['UTILIZATION INFO OF POWER API', '0'],
    ...packageEntries(isWholeNode),
    ...lines('PP0/PKG'),
    ['POWER CONSUMPTION STATE', isWholeNode ? '1' : '8'],
    ['POWER CONSUMPTION MEASURE START DATE', isWholeNode ? localTime.full(job.startedAt) : '-'],
    ['POWER CONSUMPTION MEASURE END DATE', isWholeNode ? localTime.full(job.jobEndedAt) : '-'],
  ];
}

function packageEntries(isWholeNode: boolean): StatisticsEntry[] {
  if (!isWholeNode) return [...lines('CPU/PKG'), ...lines('MEM/PKG')];
  const pair = (first: StatisticsEntry[], second: StatisticsEntry[]) =>
    first.flatMap((line, index) => [line, second[index] ?? line]);
  return [
    ...pair(
      lines('CPU/PKG(0)', measured['CPU/PKG(0)']),
      lines('CPU/PKG(1)', measured['CPU/PKG(1)']),
    ),
    ...pair(
      lines('MEM/PKG(0)', measured['MEM/PKG(0)']),
      lines('MEM/PKG(1)', measured['MEM/PKG(1)']),
    ),
  ];
}
