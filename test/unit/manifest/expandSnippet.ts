// Turns the body of a VS Code snippet into the text that a person gets who accepts every default.
// Knows the part of the syntax that our snippets use: $n, ${n:default}, ${n|a,b|}, ${NAME:default} and escapes.

export interface Snippet {
  readonly prefix: string | readonly string[];
  readonly description: string;
  readonly body: readonly string[];
}

/** The text; throws on syntax that it does not know, so that a slip in a snippet is found. */
export function expandSnippet({ body }: Snippet): string {
  const text = body.join('\n');
  const reader = { text, at: 0 };
  const defaults = new Map<string, string>();
  const result = readUntil(reader, '', defaults);
  if (reader.at < text.length) throw new Error(`A "}" too many at ${String(reader.at)}`);
  return result;
}

interface Reader {
  readonly text: string;
  at: number;
}

function readUntil(reader: Reader, end: string, defaults: Map<string, string>): string {
  let out = '';
  for (; reader.at < reader.text.length; reader.at += 1) {
    const char = reader.text.charAt(reader.at);
    if (char === '\\') {
      reader.at += 1;
      const next = reader.text.charAt(reader.at);
      // VS Code takes the backslash away only before these three.
      out += '$}\\'.includes(next) ? next : char + next;
    } else if (char === end && end !== '') return out;
    else if (char === '$') out += readPlaceholder(reader, defaults);
    else out += char;
  }
  if (end !== '') throw new Error('A placeholder stays open');
  return out;
}

function readPlaceholder(reader: Reader, defaults: Map<string, string>): string {
  const rest = reader.text.slice(reader.at);
  const match = /^\$(\d+)|^\$\{(\d+)\|([^|]+)\|\}|^\$\{(\w+):/.exec(rest);
  if (!match) throw new Error(`Unescaped "$": ${rest.slice(0, 30)}`);
  reader.at += match[0].length;
  const [, bare, choice, options, name] = match;
  let value = defaults.get(bare ?? choice ?? name ?? '') ?? '';
  if (choice !== undefined) value = options?.split(',')[0] ?? '';
  if (name !== undefined) value = readUntil(reader, '}', defaults);
  else reader.at -= 1;
  defaults.set(bare ?? choice ?? name ?? '', value);
  return value;
}
