// Elapse times as PJM writes them: `[[H:]M:]S`, `1234h58M`, `12345s`, `unlimited`. Text and numbers only.
// Source: Command Reference, pjsub `-L elapse=`; note that `3:00` is three minutes.

const colonForm = /^(?:(?:(\d+):)?(\d+):)?(\d+)$/;
const unitForm = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/i;

/** Seconds, `'unlimited'`, or undefined when the text is not an elapse time. */
export function parseElapse(text: string): number | 'unlimited' | undefined {
  const trimmed = text.trim();
  if (trimmed === 'unlimited') return trimmed;
  if (trimmed === '') return undefined;
  const match = colonForm.exec(trimmed) ?? unitForm.exec(trimmed);
  if (!match) return undefined;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  const total = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return Number.isSafeInteger(total) ? total : undefined;
}

/** `H:MM:SS`, the form that every PJM accepts. */
export function renderElapse(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  return `${Math.floor(minutes / 60)}:${twoDigits(minutes % 60)}:${twoDigits(seconds % 60)}`;
}
