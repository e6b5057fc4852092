// GPU lines of a `.stats` file. The simulator has no GPUs: the figures are those of idle ones.
import { gpusPerNode } from '../pjm/furo';
import { idlePower, type StatisticsEntry } from './powerEntries';

/** Lines of the job section: averages and peaks over all GPUs of the job. */
export function gpuSummary(): StatisticsEntry[] {
  return [
    ['gpu_ave_util', '0.00 %'],
    ['gpu_max_util', '0 %'],
    ['gpu_ave_mem', '0.00 MiB'],
    ['gpu_max_mem', '0 MiB'],
    ['gpu_ave_pwr', `${idlePower}.00 W`],
    ['gpu_max_pwr', `${idlePower} W`],
    ['gpu_ave_temp', '27.00 C'],
    ['gpu_max_temp', '27 C'],
  ];
}

/** Rows of the GPU table: key and what an idle GPU shows; the bus numbers are those of a real node. */
const busNumbers = ['3D', '3E', 'B1', 'B2'];
const gpuRows: readonly (readonly [key: string, value: (gpu: number) => string])[] = [
  ['name', () => 'Tesla V100-SXM2-32GB'],
  ['busid', (gpu) => `00000000:${busNumbers[gpu] ?? '00'}:00.0`],
  ['perf', () => 'P0'],
  ['persistence', () => 'Enabled'],
  ['display', () => 'Disabled'],
  ['compute', () => 'Default'],
  ['ave_util', () => '0.00 %'],
  ['max_util', () => '0 %'],
  ['total_mem', () => '32768 MiB'],
  ['ave_mem', () => '0.00 MiB'],
  ['max_mem', () => '0 MiB'],
  ['power_cap', () => '300.00 W'],
  ['ave_pwr', () => `${idlePower}.00 W`],
  ['max_pwr', () => `${idlePower} W`],
  ['ave_temp', () => '27.00 C'],
  ['max_temp', () => '27 C'],
  ['volatile_ecc', () => '0'],
];

/** All four GPUs have lines; those of other jobs are empty. */
export function gpuEntries(gpus: readonly number[]): StatisticsEntry[] {
  const all = Array.from({ length: gpusPerNode }, (_, gpu) => gpu);
  return [
    ['gpuids', gpus.join(',')],
    ['gpu_driver_version', '550.144.03'],
    ['gpu_cuda_version', '12.4'],
    ...gpuRows.flatMap(([key, value]) =>
      all.map((gpu) => [`gpu_${key}_${gpu}`, gpus.includes(gpu) ? value(gpu) : ''] as const),
    ),
  ];
}
