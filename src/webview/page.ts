// The HTML that holds the results view: one stylesheet, one script, nothing else may run. Pure text; knows no editor.

export interface ResultsPage {
  /** Address of the bundled `dist/webview.js`, as the webview may load it. */
  readonly scriptUri: string;
  /** Address of `media/results.css`. */
  readonly styleUri: string;
  /** `webview.cspSource`. */
  readonly cspSource: string;
  /** Fresh random text of each page. */
  readonly nonce: string;
  readonly title: string;
  /** BCP 47, for example `ja`. */
  readonly language: string;
}

/** The whole page. The script builds what is inside of `main` from messages. */
export function renderResultsHtml(page: ResultsPage): string {
  const policy = [
    `default-src 'none'`,
    `style-src ${page.cspSource}`,
    `script-src 'nonce-${page.nonce}'`,
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${escapeHtml(page.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}</title>
<link rel="stylesheet" href="${escapeHtml(page.styleUri)}">
</head>
<body class="furo-results">
<main id="results"></main>
<script nonce="${escapeHtml(page.nonce)}" src="${escapeHtml(page.scriptUri)}"></script>
</body>
</html>
`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? char);
}
