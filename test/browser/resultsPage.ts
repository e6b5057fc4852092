// Serves the real bundle, stylesheet and page on loopback and plays the extension's side of the protocol.
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { renderResultsHtml } from '../../src/webview/page';
import {
  parseFromView,
  toRowsMessage,
  type FromView,
  type JobHeader,
  type Labels,
} from '../../src/webview/protocol';
import type { ResultRow } from '../../src/webview/rows';
import { themes, type Theme, type ThemeName } from './themes';
import { english } from './words';

const root = join(import.meta.dirname, '../..');

export interface ShownResults {
  readonly rows: readonly ResultRow[];
  readonly header?: Partial<JobHeader>;
  readonly labels?: Labels;
  readonly language?: string;
  readonly theme?: ThemeName;
  readonly size?: { readonly width: number; readonly height: number };
}

/** A page with results, and everything that it told. */
export interface OpenResults {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Messages of the view, checked by the protocol. */
  readonly sent: readonly FromView[];
  /** Violations of the content security policy and errors of the script. */
  readonly complaints: readonly string[];
}

export class ResultsSite {
  readonly #server: Server;
  readonly #origin: string;

  private constructor(server: Server) {
    this.#server = server;
    this.#origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<ResultsSite> {
    const bundle = await build({
      entryPoints: [join(root, 'src/webview/main.ts')],
      bundle: true,
      minify: true,
      write: false,
      target: 'es2022',
    });
    const script = bundle.outputFiles[0]?.text ?? '';
    const style = readFileSync(join(root, 'media/results.css'), 'utf8');
    const server = createServer((request, response) => {
      const origin = `http://${request.headers.host ?? ''}`;
      const answers: Record<string, readonly [string, string]> = {
        '/webview.js': ['text/javascript', script],
        '/results.css': ['text/css', style],
        '/': [
          'text/html; charset=utf-8',
          renderResultsHtml({
            scriptUri: `${origin}/webview.js`,
            styleUri: `${origin}/results.css`,
            cspSource: origin,
            nonce: 'abcDEF123',
            title: 'Results',
            language: 'en',
          }),
        ],
      };
      const answer = answers[request.url ?? ''];
      if (answer) response.writeHead(200, { 'content-type': answer[0] }).end(answer[1]);
      else response.writeHead(request.url === '/favicon.ico' ? 204 : 404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ResultsSite(server);
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Opens the view and waits until all rows have arrived. */
  async open(browser: Browser, shown: ShownResults): Promise<OpenResults> {
    const viewport = shown.size ?? { width: 1200, height: 760 };
    const context = await browser.newContext({ viewport });
    const page = await context.newPage();
    const sent: FromView[] = [];
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await page.exposeFunction('furoComplain', (text: string) => complaints.push(text));
    await page.exposeFunction('furoPost', (value: unknown) => {
      const message = parseFromView(value);
      if (!message) complaints.push(`Not of the protocol: ${JSON.stringify(value)}`);
      else {
        sent.push(message);
        void this.#answer(page, message, shown);
      }
    });
    await page.addInitScript(fakeApi(themes[shown.theme ?? 'light']));
    await page.goto(this.#origin);
    await page.locator('.shown').filter({ hasText: /\d/ }).waitFor();
    return { page, context, sent, complaints };
  }

  async #answer(page: Page, message: FromView, shown: ShownResults): Promise<void> {
    const jobKey = shown.header?.jobKey ?? 'job-1';
    if (message.type === 'ready') {
      await post(page, {
        type: 'show',
        header: { ...plainHeader, ...shown.header, jobKey },
        labels: shown.labels ?? english,
        language: shown.language ?? 'en',
        totalRows: shown.rows.length,
      });
      await post(page, toRowsMessage(jobKey, shown.rows, 0));
    } else if (message.type === 'requestRows')
      await post(page, toRowsMessage(jobKey, shown.rows, message.offset));
  }
}

export const plainHeader: Omit<JobHeader, 'jobKey'> = {
  title: 'answer',
  state: { text: 'Succeeded', tone: 'good' },
  facts: [],
  malformedLines: 0,
  hasTornLine: false,
};

export async function post(page: Page, message: unknown): Promise<void> {
  await page.evaluate(`window.postMessage(${JSON.stringify(message)}, '*')`);
}

/** Runs in the page before its script; a text, because these tests are compiled without a DOM. */
function fakeApi(theme: Theme): string {
  return `(() => {
    const { className, variables } = ${JSON.stringify(theme)};
    addEventListener('securitypolicyviolation', (event) =>
      furoComplain(event.violatedDirective + ' ' + event.blockedURI));
    addEventListener('DOMContentLoaded', () => {
      document.body.classList.add(className);
      for (const [name, value] of Object.entries(variables))
        document.documentElement.style.setProperty('--vscode-' + name, value);
    });
    window.acquireVsCodeApi = () => ({
      postMessage: (message) => void furoPost(message),
      getState: () => JSON.parse(sessionStorage.getItem('state') ?? 'null') ?? undefined,
      setState: (state) => sessionStorage.setItem('state', JSON.stringify(state)),
    });
  })()`;
}
