// The results of one job in the page: joins header, table and detail pane, and remembers what was looked at.
import { nextSorting, RowIndex, type Arrangement, type Column, type Sorting } from './arrange';
import { Detail } from './detail';
import { element } from './dom';
import { Grid } from './grid';
import { Header } from './header';
import type { FromView, ToView } from './protocol';
import type { ResultRow } from './rows';

/** What survives a reload of the window. */
export interface ViewMemory {
  readonly jobKey: string;
  readonly search: string;
  readonly errorsOnly: boolean;
  readonly sorting?: Sorting;
  readonly selectedId?: string;
  readonly isDetailOpen: boolean;
  readonly scrollTop: number;
}

/** The two directions of the view's traffic. */
export interface ViewPorts {
  readonly send: (message: FromView) => void;
  readonly remember: (memory: ViewMemory) => void;
}

type ShowMessage = Extract<ToView, { type: 'show' }>;

export class ResultsView {
  readonly root: HTMLElement;
  readonly #show: ShowMessage;
  readonly #ports: ViewPorts;
  readonly #header: Header;
  readonly #grid: Grid;
  readonly #detail: Detail;
  readonly #message: HTMLElement;
  readonly #collator: Intl.Collator;
  #memory: ViewMemory;
  #rows: readonly ResultRow[] = [];
  #index = new RowIndex([]);
  #order: readonly number[] = [];
  #isComplete = false;

  constructor(show: ShowMessage, memory: ViewMemory | undefined, ports: ViewPorts) {
    const { header, labels, language } = show;
    this.#show = show;
    this.#ports = ports;
    this.#memory =
      memory?.jobKey === header.jobKey
        ? memory
        : {
            jobKey: header.jobKey,
            search: '',
            errorsOnly: false,
            isDetailOpen: false,
            scrollTop: 0,
          };
    this.#collator = new Intl.Collator(language, { numeric: true, sensitivity: 'base' });
    this.#header = new Header(header, labels, language, this.#headerEvents());
    this.#header.restore(this.#memory.search, this.#memory.errorsOnly);
    this.#grid = new Grid(labels, language, {
      onSort: (column) => this.#sort(column),
      onSelect: (row, isOpening) => this.#select(row, isOpening),
      onScroll: () => {
        if (this.#isComplete) this.#keep({ scrollTop: this.#grid.scrollTop });
      },
    });
    this.#detail = new Detail(labels, language, {
      onClose: () => this.#closeDetail(),
      onCopy: (text) => ports.send({ type: 'copy', text }),
    });
    this.#message = element('p', { className: 'message', text: labels.loading });
    this.root = element('div', { className: 'view' }, [
      this.#header.root,
      element('div', { className: 'content' }, [this.#grid.root, this.#message, this.#detail.root]),
    ]);
    this.#header.showCounts([], show.totalRows);
    this.#arrange({});
    // Even untouched, the view has to know its job after a reload.
    this.#keep({});
  }

  /** Takes a page of rows and asks for the next. A page that does not follow the last one is dropped. */
  receive(page: Extract<ToView, { type: 'rows' }>): void {
    const isNext = page.offset === 0 || page.offset === this.#rows.length;
    if (page.jobKey !== this.#memory.jobKey || !isNext) return;
    this.#rows = page.offset === 0 ? page.rows : [...this.#rows, ...page.rows];
    this.#index = new RowIndex(this.#rows);
    this.#isComplete = page.isLast;
    const offset = this.#rows.length;
    if (!page.isLast) this.#ports.send({ type: 'requestRows', jobKey: page.jobKey, offset });
    this.#header.showCounts(this.#rows, Math.max(this.#show.totalRows, offset));
    const { scrollTop } = this.#memory;
    this.#arrange({});
    if (page.isLast) this.#restorePlace(scrollTop);
  }

  /** Keys that work wherever the focus is. */
  onKey(event: KeyboardEvent): void {
    if (event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'f') {
      event.preventDefault();
      this.#header.searchField.focus();
      this.#header.searchField.select();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      if (this.#detail.isOpen) this.#closeDetail();
      else if (this.#memory.search !== '') {
        this.#header.restore('', this.#memory.errorsOnly);
        this.#arrange({ search: '' });
      } else this.#grid.focus();
    }
  }

  #headerEvents(): ConstructorParameters<typeof Header>[3] {
    const { jobKey } = this.#memory;
    return {
      onSearch: (search) => this.#arrange({ search }),
      onErrorsOnly: (errorsOnly) => this.#arrange({ errorsOnly }),
      onLeaveSearch: () => {
        this.#grid.focus();
        this.#grid.select(0, false);
      },
      onOpenFile: () => this.#ports.send({ type: 'openFile', jobKey }),
      onExport: () => {
        const ids = this.#order.flatMap((index) => this.#rows[index]?.id ?? []);
        this.#ports.send({ type: 'exportCsv', jobKey, ids });
      },
    };
  }

  #arrange(change: Partial<Arrangement>): void {
    if (Object.keys(change).length > 0) this.#keep(change);
    this.#order = this.#index.arrange(this.#memory, this.#collator);
    const { sorting, selectedId } = this.#memory;
    this.#grid.show({ rows: this.#rows, order: this.#order, sorting, selectedId });
    this.#header.showMatches(this.#order.length, this.#rows.length, !this.#isComplete);
    const { labels } = this.#show;
    this.#message.hidden = this.#order.length > 0;
    if (!this.#isComplete) this.#message.textContent = labels.loading;
    else this.#message.textContent = this.#rows.length === 0 ? labels.empty : labels.noMatch;
  }

  #sort(column: Column): void {
    const { sorting: before, ...rest } = this.#memory;
    const sorting = nextSorting(before, column);
    this.#memory = sorting ? { ...rest, sorting } : rest;
    this.#keep({});
    this.#arrange({});
  }

  #select(row: ResultRow, isOpening: boolean): void {
    const isDetailOpen = isOpening || this.#detail.isOpen;
    if (isDetailOpen) this.#detail.show(row);
    this.#keep({ selectedId: row.id, isDetailOpen });
  }

  #closeDetail(): void {
    this.#detail.hide();
    this.#keep({ isDetailOpen: false });
    this.#grid.focus();
  }

  #restorePlace(scrollTop: number): void {
    this.#grid.scrollTop = scrollTop;
    const { selectedId, isDetailOpen } = this.#memory;
    const row = this.#rows.find(({ id }) => id === selectedId);
    if (row && isDetailOpen) this.#detail.show(row);
  }

  #keep(change: Partial<ViewMemory>): void {
    this.#memory = { ...this.#memory, ...change };
    this.#ports.remember(this.#memory);
  }
}
