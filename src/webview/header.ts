// The part above the table: title, outcome, counts, search and buttons. Knows labels, not messages.
import { element, icon, iconButton } from './dom';
import type { JobHeader, Labels } from './protocol';
import type { ResultRow } from './rows';

export interface HeaderEvents {
  readonly onSearch: (text: string) => void;
  readonly onErrorsOnly: (isOn: boolean) => void;
  readonly onExport: () => void;
  readonly onOpenFile: () => void;
  /** Arrow down in the search field. */
  readonly onLeaveSearch: () => void;
}

export class Header {
  readonly root: HTMLElement;
  readonly searchField: HTMLInputElement;
  readonly #errorsOnly: HTMLInputElement;
  readonly #counts: HTMLElement;
  readonly #shown: HTMLElement;
  readonly #labels: Labels;
  readonly #numbers: Intl.NumberFormat;
  readonly #job: JobHeader;

  constructor(job: JobHeader, labels: Labels, language: string, events: HeaderEvents) {
    this.#job = job;
    this.#labels = labels;
    this.#numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
    this.#counts = element('dl', { className: 'facts' });
    this.#shown = element('span', { className: 'shown', attributes: { role: 'status' } });
    this.searchField = createSearch(labels, events);
    this.#errorsOnly = element('input', { attributes: { type: 'checkbox' } });
    this.#errorsOnly.addEventListener('change', () =>
      events.onErrorsOnly(this.#errorsOnly.checked),
    );
    const filter = element('label', { className: 'filter' }, [
      this.#errorsOnly,
      element('span', { text: labels.errorsOnly }),
    ]);
    const search = element('div', { className: 'search' }, [icon('search'), this.searchField]);
    const buttons = element('div', { className: 'buttons' }, [
      iconButton('export', labels.exportCsv, events.onExport),
      iconButton('file', labels.openFile, events.onOpenFile),
    ]);
    this.root = element('header', {}, [
      element('div', { className: 'title' }, [
        element('h1', { text: job.title }),
        createState(job),
        ...createSubtitle(job),
      ]),
      this.#counts,
      ...createNotices(job, labels),
      element('div', { className: 'tools' }, [search, filter, this.#shown, buttons]),
    ]);
  }

  /** Puts remembered values back into the fields. */
  restore(search: string, errorsOnly: boolean): void {
    this.searchField.value = search;
    this.#errorsOnly.checked = errorsOnly;
  }

  /** Counts of all rows; `isComplete` is false while pages still arrive. */
  showCounts(rows: readonly ResultRow[], totalRows: number): void {
    const failed = rows.filter((row) => row.error !== undefined).length;
    const { answered, failed: failedLabel, total, tokensPerSecond } = this.#labels;
    const facts: (readonly [name: string, value: string, className: string])[] = [
      [answered, this.#numbers.format(rows.length - failed), 'good'],
      [failedLabel, this.#numbers.format(failed), failed > 0 ? 'bad' : ''],
      [total, this.#numbers.format(totalRows), ''],
    ];
    if (this.#job.tokensPerSecond !== undefined)
      facts.push([tokensPerSecond, this.#numbers.format(this.#job.tokensPerSecond), '']);
    for (const { name, value } of this.#job.facts) facts.push([name, value, '']);
    this.#counts.replaceChildren(
      ...facts.map(([name, value, className]) =>
        element('div', { className: `fact ${className}`.trim() }, [
          element('dt', { text: name }),
          element('dd', { text: value }),
        ]),
      ),
    );
  }

  showMatches(shown: number, total: number, isLoading: boolean): void {
    const text = fill(
      this.#labels.shownRows,
      this.#numbers.format(shown),
      this.#numbers.format(total),
    );
    this.#shown.textContent = isLoading ? this.#labels.loading : text;
  }
}

/** `{0}` and `{1}` of a label. */
export function fill(label: string, ...values: readonly string[]): string {
  return label.replace(/\{(\d)\}/g, (whole, index: string) => values[Number(index)] ?? whole);
}

function createSearch(labels: Labels, events: HeaderEvents): HTMLInputElement {
  const field = element('input', {
    attributes: { type: 'search', placeholder: labels.search, 'aria-label': labels.search },
  });
  field.spellcheck = false;
  field.addEventListener('input', () => events.onSearch(field.value));
  field.addEventListener('keydown', (event) => {
    // While an input method composes, its keys belong to it.
    if (event.isComposing) return;
    if (event.key === 'ArrowDown' || event.key === 'Enter') {
      event.preventDefault();
      events.onLeaveSearch();
    }
  });
  return field;
}

function createState({ state }: JobHeader): HTMLElement {
  const pictures = { good: [icon('check')], bad: [icon('error')], neutral: [] };
  return element('span', { className: `state ${state.tone}` }, [
    ...pictures[state.tone],
    element('span', { text: state.text }),
  ]);
}

function createSubtitle({ subtitle }: JobHeader): HTMLElement[] {
  if (subtitle === undefined) return [];
  return [
    element('span', { className: 'subtitle', text: subtitle, attributes: { title: subtitle } }),
  ];
}

function createNotices(job: JobHeader, labels: Labels): HTMLElement[] {
  const texts: string[] = [];
  if (job.malformedLines > 0) texts.push(fill(labels.malformed, String(job.malformedLines)));
  if (job.hasTornLine) texts.push(labels.torn);
  return texts.map((text) => element('p', { className: 'notice', text }));
}
