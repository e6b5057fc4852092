// What the extension takes from the view, how rows are paged, and the page's policy.
import { describe, expect, it } from 'vitest';
import { renderResultsHtml } from '../../../src/webview/page';
import { parseFromView, rowsPerPage, toRowsMessage } from '../../../src/webview/protocol';

describe('parseFromView', () => {
  it.each([
    { type: 'ready' },
    { type: 'requestRows', jobKey: 'j', offset: 2000 },
    { type: 'copy', text: 't' },
    { type: 'openFile', jobKey: 'j' },
    { type: 'exportCsv', jobKey: 'j', ids: ['a', 'b'] },
  ])('takes %j', (message) => {
    expect(parseFromView({ ...message, more: 1 })).toEqual(message);
  });

  it.each([
    null,
    'ready',
    {},
    { type: 'delete' },
    { type: 'copy' },
    { type: 'openFile', path: '/etc/passwd' },
    { type: 'requestRows', jobKey: 'j', offset: -1 },
    { type: 'requestRows', jobKey: 'j', offset: 0.5 },
    { type: 'exportCsv', jobKey: 'j', ids: [1] },
  ])('leaves %j aside', (message) => {
    expect(parseFromView(message)).toBeUndefined();
  });
});

describe('toRowsMessage', () => {
  it('covers every row once', () => {
    const rows = Array.from({ length: rowsPerPage * 2 + 1 }, (_, index) => ({
      id: String(index),
      prompt: '',
      answer: '',
    }));
    const pages = [0, rowsPerPage, 2 * rowsPerPage].map((offset) =>
      toRowsMessage('j', rows, offset),
    );
    expect(pages.flatMap((page) => page.rows)).toEqual(rows);
    expect(pages.map(({ isLast }) => isLast)).toEqual([false, false, true]);
    expect(toRowsMessage('j', [], 0)).toMatchObject({ rows: [], isLast: true });
  });
});

describe('renderResultsHtml', () => {
  const html = renderResultsHtml({
    scriptUri: 'https://h/webview.js',
    styleUri: 'https://h/results.css',
    cspSource: 'https://h',
    nonce: 'n0',
    title: '<b>"x"</b>',
    language: 'ja',
  });

  it('lets only our script and stylesheet in', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
    expect(policy.replaceAll('&#39;', "'")).toBe(
      "default-src 'none'; style-src https://h; script-src 'nonce-n0'; base-uri 'none'; form-action 'none'",
    );
    expect(policy).not.toContain('unsafe');
  });

  it('escapes what it is given', () => {
    expect(html).toContain('<title>&lt;b&gt;&quot;x&quot;&lt;/b&gt;</title>');
    expect(html).toContain('<html lang="ja">');
  });
});
