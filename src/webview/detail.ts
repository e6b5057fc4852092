// The pane with one whole record. Knows a row and labels, not messages.
import { element, icon, iconButton } from './dom';
import type { Labels } from './protocol';
import type { ResultRow } from './rows';

export interface DetailEvents {
  readonly onClose: () => void;
  readonly onCopy: (text: string) => void;
}

export class Detail {
  readonly root: HTMLElement;
  readonly #labels: Labels;
  readonly #numbers: Intl.NumberFormat;
  readonly #events: DetailEvents;

  constructor(labels: Labels, language: string, events: DetailEvents) {
    this.#labels = labels;
    this.#numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
    this.#events = events;
    this.root = element('aside', { className: 'detail' });
    this.root.setAttribute('aria-label', labels.detail);
    this.root.hidden = true;
  }

  get isOpen(): boolean {
    return !this.root.hidden;
  }

  show(row: ResultRow): void {
    const labels = this.#labels;
    const parts = [
      this.#createTop(row),
      this.#createFacts(row),
      section(labels.prompt, row.prompt),
    ];
    if (row.error) {
      const text = `${row.error.message}\n${row.error.code}`;
      parts.push(section(labels.error, text, 'failed'));
    } else {
      parts.push(section(labels.answer, row.answer));
      if (row.reasoning) parts.push(section(labels.reasoning, row.reasoning));
    }
    this.root.replaceChildren(...parts);
    this.root.scrollTop = 0;
    this.root.hidden = false;
  }

  hide(): void {
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  #createTop(row: ResultRow): HTMLElement {
    const { close, copyAnswer, copied } = this.#labels;
    const button = element('button', {
      className: 'button quiet',
      attributes: { type: 'button', 'aria-label': close, title: close },
    });
    button.append(icon('close'));
    button.addEventListener('click', this.#events.onClose);
    const copy = iconButton('copy', copyAnswer, () => {
      this.#events.onCopy(row.error ? row.error.message : row.answer);
      copy.replaceChildren(icon('check'), element('span', { text: copied }));
    });
    return element('div', { className: 'top' }, [
      element('h2', { text: row.id }),
      element('div', { className: 'buttons' }, [copy, button]),
    ]);
  }

  #createFacts(row: ResultRow): HTMLElement {
    const { finishReason, tokens, seconds, notes, finishReasons, noteTexts } = this.#labels;
    const pairs: (readonly [string, string])[] = [];
    if (row.finishReason !== undefined)
      pairs.push([finishReason, finishReasons[row.finishReason] ?? row.finishReason]);
    const counts = [row.promptTokens, row.completionTokens].filter((count) => count !== undefined);
    if (counts.length > 0)
      pairs.push([tokens, counts.map((count) => this.#numbers.format(count)).join(' → ')]);
    if (row.seconds !== undefined) pairs.push([seconds, this.#numbers.format(row.seconds)]);
    if (row.notes) pairs.push([notes, row.notes.map((note) => noteTexts[note] ?? note).join(', ')]);
    return element(
      'p',
      { className: 'small' },
      pairs.map(([name, value]) => element('span', { text: `${name} ${value}` })),
    );
  }
}

function section(title: string, text: string, className = ''): HTMLElement {
  return element('section', { className }, [
    element('h3', { text: title }),
    element('pre', { text, attributes: { tabindex: '0' } }),
  ]);
}
