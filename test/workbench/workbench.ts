// A real VS Code workbench with the packed extension, a simulated Furo beside it and Chromium in front of it.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  chromium,
  type Browser,
  type BrowserContext,
  type Locator,
  type Page,
} from 'playwright-core';
import { setUpCodeServer, type EditorName } from '../../scripts/steps/codeServer.mjs';
import { pageAddress, startEditor, type RunningEditor } from '../../scripts/steps/startEditor.mjs';
import { settingsFor } from '../../src/cli/demo';
import { startSimulatedFuro, type SimulatedFuro } from '../../src/simulator/simulatedFuro';
import { chromiumPath, requires } from '../requirements';
import { root, vsixFile } from './globalSetup';

export const pictures = join(root, 'test-output', 'workbench');
export const demoModel = 'HuggingFaceTB/SmolLM2-135M-Instruct';

const chromiumSwitches = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A `describe` for tests in a workbench. */
export const inWorkbench = requires('chromium', 'editor');

export interface WorkbenchOptions {
  readonly editor?: EditorName;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly locale?: string;
  readonly workspaceTrust?: boolean;
  readonly withFuro?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

export class Workbench {
  private constructor(
    readonly work: string,
    readonly folder: string,
    readonly editor: RunningEditor,
    readonly furo: SimulatedFuro | undefined,
    readonly browser: Browser,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  static async open(options: WorkbenchOptions = {}): Promise<Workbench> {
    const work = mkdtempSync(join(tmpdir(), 'furo-workbench-'));
    const folder = join(work, 'examples');
    cpSync(join(root, 'examples'), folder, { recursive: true });
    rmSync(join(folder, 'furo-results'), { recursive: true, force: true });
    mkdirSync(pictures, { recursive: true });
    const furo = options.withFuro === false ? undefined : await startFuro(join(work, 'furo'));
    const program = await setUpCodeServer(options.editor ?? 'newest', () => undefined);
    const editor = await startEditor({
      program,
      work: join(work, 'editor'),
      extensions: [vsixFile],
      settings: { ...connectionSettings(furo), ...options.settings },
      workspaceTrust: options.workspaceTrust ?? false,
      ...(options.locale !== undefined && { locale: options.locale }),
      ...(options.env && { env: options.env }),
    });
    const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumSwitches });
    const context = await browser.newContext({ viewport: { width: 1360, height: 860 } });
    const page = await context.newPage();
    return new Workbench(work, folder, editor, furo, browser, context, page);
  }

  /** Opens the example folder and waits for the explorer and for the extension's status bar item. */
  async show(): Promise<void> {
    await this.page.goto(pageAddress(this.editor, this.folder));
    try {
      await this.row('furo.yaml').waitFor({ timeout: 60_000 });
      await this.statusItem().waitFor({ timeout: 60_000 });
    } catch (error) {
      await this.picture('failed to open');
      throw error;
    }
  }

  statusItem(): Locator {
    return this.page
      .locator('.statusbar-item')
      .getByText(/^ *Furo/)
      .first();
  }

  /** The status bar item with that text in it. */
  statusText(text: RegExp): Locator {
    return this.page.locator('.statusbar-item').getByText(text).first();
  }

  /** Unfolds a folder of the explorer; a click may come before the tree listens. */
  async unfold(folder: string, file: string): Promise<Locator> {
    const row = this.row(file);
    for (let attempt = 0; attempt < 5 && !(await row.isVisible()); attempt += 1) {
      await this.row(folder).click();
      await row.waitFor({ timeout: 3000 }).catch(() => undefined);
    }
    await row.waitFor();
    return row;
  }

  /** A row of the explorer or of a view. */
  row(name: string | RegExp): Locator {
    return this.page.getByRole('treeitem', { name }).first();
  }

  /** Right-click, then the entries of the menu and its submenus. */
  async choose(row: Locator, ...entries: [string | RegExp, ...(string | RegExp)[]]): Promise<void> {
    await this.#openMenu(row, entries[0]);
    for (const entry of entries) await this.menuItem(entry).hover();
    // A menu swallows a click that comes right after it opened; the keyboard is always heard.
    await this.page.keyboard.press('Enter');
    await this.page.locator('.monaco-menu').first().waitFor({ state: 'hidden' });
  }

  /** Once more where the menu came before the explorer knew which file it is for, as right after a file was made. */
  async #openMenu(row: Locator, first: string | RegExp): Promise<void> {
    const item = this.menuItem(first);
    for (let attempt = 0; attempt < 3 && !(await item.isVisible()); attempt += 1) {
      if (attempt > 0) await this.page.keyboard.press('Escape');
      await row.click({ button: 'right' });
      await item.waitFor({ timeout: 5000 }).catch(() => undefined);
    }
  }

  menuItem(name: string | RegExp): Locator {
    return this.page.locator('.monaco-menu').getByRole('menuitem', { name }).first();
  }

  /**
   * Again where no list came, where a page that has just loaded took the focus and with it the list, or where the list
   * came before the editor knew that it trusts the folder, as right after a reload.
   */
  async command(title: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input.input').first();
    const option = this.page.locator('.quick-input-list').getByRole('option', { name: title });
    for (let attempt = 1; ; attempt += 1) {
      if (await input.isVisible()) await this.page.keyboard.press('Escape');
      await input.waitFor({ state: 'hidden' });
      await this.page.keyboard.press('F1');
      try {
        await input.fill(`>${title}`, { timeout: 5000 });
        await option.first().click({ timeout: 5000 });
        return;
      } catch (error) {
        if (attempt === 4) throw error;
      }
    }
  }

  /** Check Connection, up to its last line; a host that is not known yet is trusted. */
  async checkConnection(title: string, trust: string, end: RegExp): Promise<void> {
    await this.command(title);
    const ended = this.page.locator('.view-lines').getByText(end).first();
    const button = this.dialogButton(trust);
    await ended.or(button).first().waitFor({ timeout: 30_000 });
    if (await button.isVisible()) await button.click();
    await ended.waitFor({ timeout: 30_000 });
  }

  dialogButton(name: string): Locator {
    return this.page.locator('.monaco-dialog-box').getByRole('button', { name });
  }

  toast(text: string | RegExp): Locator {
    return this.page.locator('.notifications-toasts').getByText(text).first();
  }

  async picture(name: string): Promise<void> {
    // What slides in is shown where it ends.
    const path = join(pictures, `${name}.png`);
    await this.page.screenshot({ path, animations: 'disabled' });
  }

  /** Settings, as if a person had edited the file. */
  change(values: Readonly<Record<string, unknown>>): void {
    for (const folder of ['User', 'Machine']) {
      const file = join(this.editor.userData, folder, 'settings.json');
      const settings = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
      writeFileSync(file, JSON.stringify({ ...settings, ...values }, null, 2));
    }
  }

  /** Every file of the editor, of Furo and of the project that holds the text. */
  filesWith(text: string): string[] {
    return readdirSync(this.work, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => contentOf(file).includes(text));
  }

  /** One picture as it is and one in the other theme, without closing what is open. */
  async pictures(name: string): Promise<void> {
    await this.picture(name);
    const isDark = (await this.page.locator('.monaco-workbench.vs-dark').count()) > 0;
    await this.#useTheme(!isDark);
    await this.picture(`${name}-${isDark ? 'light' : 'dark'}`);
    await this.#useTheme(isDark);
  }

  async #useTheme(dark: boolean): Promise<void> {
    this.change({ 'workbench.colorTheme': dark ? 'Default Dark Modern' : 'Default Light Modern' });
    await this.page.locator(dark ? '.monaco-workbench.vs-dark' : '.monaco-workbench.vs').waitFor();
    // The page of results hears of it a moment later.
    await this.page.waitForTimeout(500);
  }

  /** Clicks an icon that a row shows only under the mouse. */
  async clickIcon(row: Locator, name: string): Promise<void> {
    await row.hover();
    await row.locator('.actions').getByRole('button', { name }).click();
  }

  /** What the output channel of that name holds, from the host's own log files. */
  outputOf(channel: RegExp): string {
    const logs = join(this.editor.userData, 'logs');
    const files = readdirSync(logs, { recursive: true, encoding: 'utf8' });
    return files
      .filter((file) => channel.test(file) && file.endsWith('.log'))
      .sort()
      .map((file) => readFileSync(join(logs, file), 'utf8'))
      .join('\n');
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.editor.stop();
    await this.furo?.dispose();
    rmSync(this.work, { recursive: true, force: true });
  }
}

/** Nothing of a file that has vanished meanwhile: editor and Furo go on writing. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

async function startFuro(folder: string): Promise<SimulatedFuro> {
  const python = process.env['FURO_TEST_PYTHON'];
  const model = process.env['FURO_TEST_MODEL'];
  return startSimulatedFuro({
    root: folder,
    ...(python !== undefined && { python }),
    ...(model !== undefined && { models: { [demoModel]: model } }),
  });
}

function connectionSettings(furo: SimulatedFuro | undefined): Record<string, unknown> {
  if (!furo) return {};
  return {
    ...settingsFor(furo),
    'furo.inference.model': demoModel,
    'furo.inference.promptTemplate': '{{ question }}',
    'furo.inference.systemPrompt': 'You answer in one or two short sentences.',
    'furo.inference.maxNewTokens': 48,
  };
}
