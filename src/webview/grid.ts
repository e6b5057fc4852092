// A table of many rows of which only the visible ones are in the page. Knows rows and keys, not messages.
import { columns, type Column, type Sorting } from './arrange';
import { element, icon } from './dom';
import type { Labels } from './protocol';
import type { ResultRow } from './rows';

/** Height of a row in pixels; the same number stands in media/results.css. */
export const rowHeight = 46;
/** Rows kept beyond each edge, so that scrolling a little shows no gap. */
const margin = 8;

export interface GridEvents {
  readonly onSort: (column: Column) => void;
  /** The current row changed; `isOpening` when its details are asked for. */
  readonly onSelect: (row: ResultRow, isOpening: boolean) => void;
  readonly onScroll: () => void;
}

/** What the grid shows now. */
export interface GridContent {
  readonly rows: readonly ResultRow[];
  /** Indices into `rows`, in order. */
  readonly order: readonly number[];
  readonly sorting: Sorting | undefined;
  readonly selectedId: string | undefined;
}

export class Grid {
  readonly root: HTMLElement;
  readonly #scroller: HTMLElement;
  readonly #space: HTMLElement;
  readonly #heads = new Map<Column, HTMLElement>();
  readonly #shown = new Map<number, HTMLElement>();
  readonly #labels: Labels;
  readonly #numbers: Intl.NumberFormat;
  readonly #seconds: Intl.NumberFormat;
  readonly #events: GridEvents;
  #content: GridContent = { rows: [], order: [], sorting: undefined, selectedId: undefined };

  constructor(labels: Labels, language: string, events: GridEvents) {
    this.#labels = labels;
    this.#events = events;
    this.#numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
    this.#seconds = new Intl.NumberFormat(language, {
      minimumFractionDigits: 2,
      maximumFractionDigits: 2,
    });
    const head = element('div', { className: 'row head', attributes: { role: 'row' } });
    head.setAttribute('aria-rowindex', '1');
    head.append(...columns.map((column) => this.#createHead(column)));
    this.#space = element('div', { className: 'space', attributes: { role: 'rowgroup' } });
    this.#scroller = element('div', { className: 'scroller' }, [
      element('div', { className: 'heads', attributes: { role: 'rowgroup' } }, [head]),
      this.#space,
    ]);
    this.root = element('div', { className: 'grid' }, [this.#scroller]);
    this.#scroller.tabIndex = 0;
    this.#scroller.setAttribute('role', 'grid');
    this.#scroller.setAttribute('aria-label', labels.table);
    this.#scroller.setAttribute('aria-colcount', String(columns.length));
    this.#scroller.addEventListener('keydown', (event) => this.#onKey(event));
    this.#scroller.addEventListener('scroll', () => {
      this.#renderVisible();
      events.onScroll();
    });
    this.#space.addEventListener('click', (event) => this.#onClick(event));
    new ResizeObserver(() => this.#renderVisible()).observe(this.#scroller);
  }

  get scrollTop(): number {
    return this.#scroller.scrollTop;
  }

  set scrollTop(value: number) {
    this.#scroller.scrollTop = value;
  }

  focus(): void {
    this.#scroller.focus();
  }

  show(content: GridContent): void {
    this.#content = content;
    this.#space.style.height = `${content.order.length * rowHeight}px`;
    this.#scroller.setAttribute('aria-rowcount', String(content.order.length + 1));
    for (const [column, head] of this.#heads) {
      const direction =
        content.sorting?.column === column ? content.sorting.direction : ('none' as const);
      head.setAttribute('aria-sort', direction);
      head.querySelector('.icon')?.remove();
      if (direction !== 'none')
        head.firstElementChild?.append(icon(direction === 'ascending' ? 'up' : 'down'));
    }
    for (const row of this.#shown.values()) row.remove();
    this.#shown.clear();
    this.#renderVisible();
  }

  /** Makes the row at a position current and brings it into view. */
  select(position: number, isOpening: boolean): void {
    const { order, rows } = this.#content;
    const clamped = Math.max(0, Math.min(order.length - 1, position));
    const row = rows[order[clamped] ?? -1];
    if (!row) return;
    this.#content = { ...this.#content, selectedId: row.id };
    this.#reveal(clamped);
    this.#renderVisible();
    this.#markSelected();
    this.#events.onSelect(row, isOpening);
  }

  #createHead(column: Column): HTMLElement {
    const button = element('button', { attributes: { type: 'button', tabindex: '-1' } }, [
      element('span', { text: this.#labels[column] }),
    ]);
    button.addEventListener('click', () => {
      this.#events.onSort(column);
      this.focus();
    });
    const head = element('div', { className: `cell ${column}` }, [button]);
    head.setAttribute('role', 'columnheader');
    this.#heads.set(column, head);
    return head;
  }

  #renderVisible(): void {
    const { rows, order } = this.#content;
    const visible = Math.ceil(this.#scroller.clientHeight / rowHeight);
    const first = Math.max(0, Math.floor(this.#scroller.scrollTop / rowHeight) - margin);
    const last = Math.min(order.length, first + visible + 2 * margin);
    for (const [position, node] of this.#shown) {
      if (position >= first && position < last) continue;
      node.remove();
      this.#shown.delete(position);
    }
    for (let position = first; position < last; position += 1) {
      const row = rows[order[position] ?? -1];
      if (!row || this.#shown.has(position)) continue;
      const node = this.#createRow(row, position);
      this.#shown.set(position, node);
      this.#space.append(node);
    }
    this.#markSelected();
  }

  #createRow(row: ResultRow, position: number): HTMLElement {
    const node = element(
      'div',
      { className: row.error ? 'row failed' : 'row', attributes: { role: 'row' } },
      columns.map((column) => this.#createCell(row, column)),
    );
    node.id = `row-${position}`;
    node.setAttribute('aria-rowindex', String(position + 2));
    node.style.transform = `translateY(${position * rowHeight}px)`;
    return node;
  }

  #createCell(row: ResultRow, column: Column): HTMLElement {
    const cell = element('div', { className: `cell ${column}`, attributes: { role: 'gridcell' } });
    const clip = element('span', { className: 'clip' });
    if (column === 'answer' && row.error) {
      clip.append(
        icon('error'),
        element('strong', { text: this.#labels.error }),
        document.createTextNode(` ${row.error.message}`),
      );
    } else clip.textContent = this.#textOf(row, column);
    cell.append(clip);
    return cell;
  }

  #textOf(row: ResultRow, column: Column): string {
    const write = (format: Intl.NumberFormat, value: number | undefined) =>
      value === undefined ? '' : format.format(value);
    switch (column) {
      case 'id':
        return row.id;
      case 'prompt':
        return preview(row.prompt);
      case 'answer':
        return preview(row.answer);
      case 'finishReason':
        if (row.error) return row.error.code;
        return this.#labels.finishReasons[row.finishReason ?? ''] ?? row.finishReason ?? '';
      case 'tokens':
        return write(this.#numbers, row.completionTokens);
      case 'seconds':
        return write(this.#seconds, row.seconds);
    }
  }

  #markSelected(): void {
    const { rows, order, selectedId } = this.#content;
    this.#scroller.removeAttribute('aria-activedescendant');
    for (const [position, node] of this.#shown) {
      const isSelected = selectedId !== undefined && rows[order[position] ?? -1]?.id === selectedId;
      node.classList.toggle('selected', isSelected);
      node.setAttribute('aria-selected', String(isSelected));
      if (isSelected) this.#scroller.setAttribute('aria-activedescendant', node.id);
    }
  }

  #reveal(position: number): void {
    const top = position * rowHeight;
    const head = this.#space.offsetTop;
    const room = this.#scroller.clientHeight - head;
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (top + rowHeight > this.#scroller.scrollTop + room)
      this.#scroller.scrollTop = top + rowHeight - room;
  }

  #positionOf(id: string | undefined): number {
    const { rows, order } = this.#content;
    return id === undefined ? -1 : order.findIndex((index) => rows[index]?.id === id);
  }

  #onClick(event: MouseEvent): void {
    const row = event.target instanceof Element ? event.target.closest('.row') : null;
    for (const [position, node] of this.#shown) if (node === row) this.select(position, true);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const current = this.#positionOf(this.#content.selectedId);
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / rowHeight) - 2);
    const targets: Readonly<Record<string, number>> = {
      ArrowDown: current + 1,
      ArrowUp: Math.max(0, current - 1),
      PageDown: current + page,
      PageUp: Math.max(0, current - page),
      Home: 0,
      End: this.#content.order.length - 1,
      Enter: Math.max(0, current),
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.select(target, event.key === 'Enter');
  }
}

/** Beyond what two lines can show, text only costs layout time. */
const previewLength = 400;

function preview(text: string): string {
  return text.slice(0, previewLength);
}
