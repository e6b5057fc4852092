// What the extension wrote into its log, read from the files of VS Code. Knows no test.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** All that our log channel holds; undefined without a known place. */
export function logText(): string | undefined {
  const userData = process.env['FURO_HOST_USER_DATA'];
  if (userData === undefined) return undefined;
  const folder = join(userData, 'logs');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const ours = files.filter((file) => /furo-workflows.*Furo\.log$/.test(file));
  return ours.map((file) => readFileSync(join(folder, file), 'utf8')).join('');
}

/** Error lines of our log channel, and those of VS Code's own logs that name us; undefined without a known place. */
export function errorLines(): string[] | undefined {
  const userData = process.env['FURO_HOST_USER_DATA'];
  if (userData === undefined) return undefined;
  const folder = join(userData, 'logs');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const ours = files.filter((file) => /furo-workflows.*\.log$|exthost[^/]*\.log$/.test(file));
  if (!ours.some((file) => file.endsWith('Furo.log')))
    throw new Error(`no log of ours among:\n${files.join('\n')}`);
  return ours.flatMap((file) => {
    const lines = readFileSync(join(folder, file), 'utf8').split('\n');
    const isOurs = file.includes('furo-workflows');
    return lines.filter((line) => line.includes('[error]') && (isOurs || /furo/i.test(line)));
  });
}
