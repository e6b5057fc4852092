// What the runtime's events say about how far an inference is. Format: test/fixtures/contract/progress.jsonl.
import type { InferenceProgress, RunFailure } from './job';

interface ProgressEvent {
  readonly event?: unknown;
  readonly done?: unknown;
  readonly failed?: unknown;
  readonly total?: unknown;
  readonly tokens_per_second?: unknown;
  readonly eta_seconds?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
}

/** Progress after the last whole line of `text`; the text may begin and end inside a line. */
export function parseProgress(
  text: string,
  before?: InferenceProgress,
): InferenceProgress | undefined {
  let progress = before;
  for (const line of text.split('\n')) {
    const event = parseEvent(line);
    if (event) progress = applyEvent(event, progress);
  }
  return progress;
}

/** The failure that ended the last run in `text`; a run that began anew after it takes it back. */
export function parseRunFailure(text: string): RunFailure | undefined {
  let failure: RunFailure | undefined;
  for (const line of text.split('\n')) {
    const { event, reason, message } = parseEvent(line) ?? {};
    if (event === 'failed' && typeof reason === 'string' && typeof message === 'string')
      failure = { reason, message };
    else if (event === 'started') failure = undefined;
  }
  return failure;
}

function parseEvent(line: string): ProgressEvent | undefined {
  if (!line.startsWith('{') || !line.trimEnd().endsWith('}')) return undefined;
  try {
    return JSON.parse(line) as ProgressEvent;
  } catch {
    return undefined;
  }
}

function applyEvent(
  event: ProgressEvent,
  before: InferenceProgress | undefined,
): InferenceProgress | undefined {
  const count = (value: unknown, fallback: number) =>
    typeof value === 'number' ? value : fallback;
  const counts = {
    done: count(event.done, before?.done ?? 0),
    failed: count(event.failed, before?.failed ?? 0),
    total: count(event.total, before?.total ?? 0),
  };
  const speed = {
    ...(typeof event.tokens_per_second === 'number' && {
      tokensPerSecond: event.tokens_per_second,
    }),
    ...(typeof event.eta_seconds === 'number' && { etaSeconds: event.eta_seconds }),
  };
  switch (event.event) {
    case 'started':
    case 'model_loading':
      return { stage: 'loading', ...counts };
    case 'model_loaded':
    case 'progress':
      return { stage: 'generating', ...counts, ...speed };
    case 'finished':
    case 'interrupted':
      return { stage: 'finished', ...counts, ...speed };
    default:
      return before;
  }
}
