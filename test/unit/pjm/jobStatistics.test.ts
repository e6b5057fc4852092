// `.stats` files: two real ones of Furo (test/fixtures/furo), and the values that others would have.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJobStatistics } from '../../../src/pjm/jobStatistics';

const folder = join(import.meta.dirname, '../../fixtures/furo');
const files = readdirSync(folder).filter((name) => name.endsWith('.stats'));
const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const oneGpu = read('inference_on_1gpu.sh.1996122.stats');

/** The one-GPU file with other values. */
function withValues(values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce(
    (text, [key, value]) =>
      text.replace(new RegExp(`^( ${key.replace(/[()]/g, '\\$&')}\\s*: ).*$`, 'm'), `$1${value}`),
    oneGpu,
  );
}

describe('real files', () => {
  it('are both kinds of Furo: a quarter node and a whole one', () => {
    expect(files).toHaveLength(2);
  });

  it('a job on a quarter node', () => {
    expect(parseJobStatistics(oneGpu)).toMatchObject({
      jobId: '1996122',
      state: 'EXT',
      exitCode: 0,
      pjmCode: 0,
      signal: undefined,
      reason: undefined,
      elapseSeconds: 310,
      elapseLimitSeconds: 3600,
      acceptDate: '2025/06/19 01:01:55',
      startDate: '2025/06/19 01:02:00',
      endDate: '2025/06/19 01:07:10',
      gpuAverageUtilization: 57.3,
      gpuMaxPower: 282,
      maxMemoryMiB: 1781.9,
    });
  });

  it('a job on a whole node', () => {
    const text = read('infer_device_map_on_1node4gpu.sh.1996132.stats');
    const statistics = parseJobStatistics(text);
    expect(statistics).toMatchObject({
      jobId: '1996132',
      state: 'EXT',
      exitCode: 0,
      pjmCode: 0,
      signal: undefined,
    });
    const printed = (key: string) =>
      text.split('\n').find((line) => line.startsWith(` ${key} `) || line.startsWith(` ${key}:`));
    expect(printed('ELAPSE TIME (USE)')).toContain(`(${String(statistics?.elapseSeconds)})`);
    expect(printed('gpu_max_pwr')).toContain(` ${String(statistics?.gpuMaxPower)} W`);
    expect(printed('MAX MEMORY SIZE (USE)')).toContain(` ${String(statistics?.maxMemoryMiB)} MiB`);
  });

  it.each(files)('%s: every line is an entry, in its order', (name) => {
    const text = read(name);
    const lines = text.split('\n').filter((line) => line.startsWith(' '));
    const entries = parseJobStatistics(text)?.entries ?? [];
    expect(entries).toHaveLength(lines.length);
    for (const [index, [key, value]] of entries.entries()) {
      expect(lines[index]?.slice(1).startsWith(key)).toBe(true);
      expect(lines[index]?.trimEnd().endsWith(value)).toBe(true);
      expect(key).toBe(key.trim());
    }
  });

  it('keeps keys longer than their column, and values with colons', () => {
    const entries = new Map(parseJobStatistics(oneGpu)?.entries);
    expect(entries.get('AVG POWER CONSUMPTION OF CORES/CMG (IDEAL)')).toBe('-');
    expect(entries.get('gpu_busid_3')).toBe('00000000:B2:00.0');
    expect(entries.get('COMMENT')).toBe('');
  });
});

describe('other ends', () => {
  it('the time limit (Genkai: PJM code 11, signal 24)', () => {
    const text = withValues({
      'EXIT CODE': '0',
      'SIGNAL NO': '24',
      'PJM CODE': '11',
      REASON: 'ELAPSE LIMIT EXCEEDED',
    });
    expect(parseJobStatistics(text)).toMatchObject({
      exitCode: 0,
      signal: 24,
      pjmCode: 11,
      reason: 'ELAPSE LIMIT EXCEEDED',
    });
  });

  it('a job that never started', () => {
    const text = withValues({
      STATE: 'CCL',
      'JOB START DATE': '-',
      'JOB END DATE': '-',
      'EXIT CODE': '-',
      'PJM CODE': '1',
      'ELAPSE TIME (USE)': '-',
    });
    expect(parseJobStatistics(text)).toMatchObject({
      state: 'CCL',
      exitCode: undefined,
      pjmCode: 1,
      startDate: undefined,
      endDate: undefined,
      elapseSeconds: undefined,
    });
  });

  it('several nodes: the job section counts, not the sections of its nodes', () => {
    const text = read('infer_device_map_on_1node4gpu.sh.1996132.stats');
    const nodes = text.indexOf('Node Statistical Information');
    const second = text
      .slice(nodes)
      .replace(/^( MAX MEMORY SIZE \(USE\) *: ).*$/m, '$11.0 MiB (1048576)')
      .replace(/^( gpu_max_pwr *: ).*$/m, '$11 W');
    expect(second).not.toBe(text.slice(nodes));
    const whole = parseJobStatistics(text);
    expect(parseJobStatistics(text + second)).toMatchObject({
      maxMemoryMiB: whole?.maxMemoryMiB,
      gpuMaxPower: whole?.gpuMaxPower,
    });
  });

  it('Windows line ends', () => {
    expect(parseJobStatistics(oneGpu.replaceAll('\n', '\r\n'))).toEqual(parseJobStatistics(oneGpu));
  });

  it.each(['', 'Job Statistical Information\n\n', ' JOB ID : 1\n', 'nonsense', '{"JOB ID": 1}'])(
    'gives nothing for %j',
    (text) => {
      expect(parseJobStatistics(text)).toBeUndefined();
    },
  );
});

describe('a file that is still being written', () => {
  it('gives no value that the whole file does not give', () => {
    const text = withValues({ 'SIGNAL NO': '24', 'PJM CODE': '11', 'EXIT CODE': '137' });
    const whole = parseJobStatistics(text);
    for (let length = 0; length < text.length; length += 1) {
      const part = parseJobStatistics(text.slice(0, length));
      if (!part) continue;
      expect(part.pjmCode).toBe(whole?.pjmCode);
      expect(part.exitCode).toBe(whole?.exitCode);
      expect([undefined, whole?.elapseSeconds]).toContain(part.elapseSeconds);
      expect([undefined, whole?.gpuMaxPower]).toContain(part.gpuMaxPower);
      expect([undefined, whole?.maxMemoryMiB]).toContain(part.maxMemoryMiB);
    }
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(oneGpu.length), (noise, at) => {
        const text = oneGpu.slice(0, at) + noise + oneGpu.slice(at);
        expect(['object', 'undefined']).toContain(typeof parseJobStatistics(text));
      }),
    );
  });
});
