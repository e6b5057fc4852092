// OpenSSH's patterns for names: `*`, `?`, lists with `!`. Knows only text.

/** `*` and `?` as in OpenSSH's match_pattern; linear in practice, no regular expression from foreign text. */
export function matchesPattern(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      starAt = p++;
      resumeAt = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (starAt >= 0) {
      p = starAt + 1;
      t = ++resumeAt;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** True when some pattern covers the text and none with a leading `!` does. */
export function matchesAnyPattern(patterns: readonly string[], text: string): boolean {
  const excludes = patterns.some(
    (item) => item.startsWith('!') && matchesPattern(item.slice(1), text),
  );
  return !excludes && patterns.some((item) => !item.startsWith('!') && matchesPattern(item, text));
}
