// Git's wildmatch: does a name match a pattern. Knows bytes as Latin-1 text, and nothing of files or ignore rules.

export interface WildmatchOptions {
  /** A `*`, `?` or class does not match `/`; only `**` between slashes does. */
  readonly isPath: boolean;
  /** ASCII letters match in either case (git's core.ignoreCase). */
  readonly foldsCase: boolean;
}

/** `noMatch` lets a star before it try the next place; the others tell it that no place can help. */
type Result = 'match' | 'noMatch' | 'abortAll' | 'abortToStarStar';

/** Whether the whole of `text` matches. Same answers as git, in the odd cases too. */
export function wildmatch(pattern: string, text: string, options: WildmatchOptions): boolean {
  return new Matcher(pattern, text, options).from(0, 0) === 'match';
}

function isGlobSpecial(char: string): boolean {
  return char === '*' || char === '?' || char === '[' || char === '\\';
}

class Matcher {
  constructor(
    private readonly pattern: string,
    private readonly text: string,
    private readonly options: WildmatchOptions,
  ) {}

  /** Matches the pattern from `start` on against the text from `at` on. */
  from(start: number, at: number): Result {
    const { pattern, text } = this;
    let p = start;
    let t = at;
    for (; p < pattern.length; p++, t++) {
      const wanted = this.#fold(pattern.charAt(p));
      if (t >= text.length && wanted !== '*') return 'abortAll';
      const given = this.#fold(text.charAt(t));
      if (wanted === '*') {
        const star = this.#star(start, p, t);
        if (typeof star === 'string') return star;
        ({ p, t } = star);
      } else if (wanted === '?') {
        if (this.options.isPath && given === '/') return 'noMatch';
      } else if (wanted === '[') {
        const end = this.#class(p + 1, given);
        if (typeof end === 'string') return end;
        p = end;
      } else {
        const literal = wanted === '\\' ? pattern.charAt(++p) : wanted;
        if (given !== literal) return 'noMatch';
      }
    }
    return t < text.length ? 'noMatch' : 'match';
  }

  /** A star at `p`; a place to go on from (the slash that the loop then steps over), or the result. */
  #star(start: number, p: number, t: number): Result | { p: number; t: number } {
    const { pattern, text } = this;
    const { isPath } = this.options;
    let next = p + 1;
    while (pattern[next] === '*') next++;
    let crossesSlash = !isPath;
    if (isPath && next - p > 1) {
      const opens = p - 1 < start || pattern[p - 1] === '/';
      const after = pattern.slice(next, next + 2);
      crossesSlash = opens && (after === '' || after.startsWith('/') || after === '\\/');
      if (crossesSlash && after.startsWith('/') && this.from(next + 1, t) === 'match')
        return 'match';
    }
    if (next >= pattern.length) return crossesSlash || !text.includes('/', t) ? 'match' : 'noMatch';
    if (!crossesSlash && pattern[next] === '/') {
      const slash = text.indexOf('/', t);
      return slash < 0 ? 'noMatch' : { p: next, t: slash };
    }
    return this.#tryPlaces(next, t, crossesSlash);
  }

  /** Lets the star take more and more of the text. */
  #tryPlaces(next: number, at: number, crossesSlash: boolean): Result {
    const { pattern, text } = this;
    const literal = pattern.charAt(next);
    for (let t = at; t < text.length; t++) {
      if (!isGlobSpecial(literal)) {
        const wanted = this.#fold(literal);
        while (t < text.length && (crossesSlash || text[t] !== '/')) {
          if (this.#fold(text.charAt(t)) === wanted) break;
          t++;
        }
        if (t >= text.length || this.#fold(text.charAt(t)) !== wanted) return 'noMatch';
      }
      const result = this.from(next, t);
      if (result !== 'noMatch') {
        if (!crossesSlash || result !== 'abortToStarStar') return result;
      } else if (!crossesSlash && text[t] === '/') return 'abortToStarStar';
    }
    return 'abortAll';
  }

  /** A class whose first character is at `from`; the place of its `]` when `given` is in it. */
  #class(from: number, given: string): Result | number {
    const { pattern } = this;
    const isNegated = pattern[from] === '!' || pattern[from] === '^';
    let p = isNegated ? from + 1 : from;
    let previous = '';
    let isIn = false;
    do {
      const step = this.#classStep(p, previous, given);
      if (step === undefined) return 'abortAll';
      isIn ||= step.isIn;
      ({ p, previous } = step);
      p++;
    } while (pattern[p] !== ']');
    const isMatch = isIn !== isNegated && !(this.options.isPath && given === '/');
    return isMatch ? p : 'noMatch';
  }

  /** One member of a class: a character, a range or a named class. Undefined for a class that is not closed or known. */
  #classStep(
    p: number,
    previous: string,
    given: string,
  ): { p: number; previous: string; isIn: boolean } | undefined {
    const { pattern } = this;
    const char = pattern.charAt(p);
    if (char === '') return undefined;
    if (char === '\\') {
      const literal = pattern.charAt(p + 1);
      return literal === '' ? undefined : { p: p + 1, previous: literal, isIn: given === literal };
    }
    const follower = pattern.charAt(p + 1);
    if (char === '-' && previous !== '' && follower !== '' && follower !== ']') {
      const at = follower === '\\' ? p + 2 : p + 1;
      const last = pattern.charAt(at);
      return last === ''
        ? undefined
        : { p: at, previous: '', isIn: this.#isBetween(given, previous, last) };
    }
    if (char === '[' && follower === ':') {
      const end = pattern.indexOf(']', p + 2);
      if (end < 0) return undefined;
      if (end - p < 3 || pattern[end - 1] !== ':') return { p, previous: '[', isIn: given === '[' };
      const named = NAMED_CLASSES[pattern.slice(p + 2, end - 1)];
      if (!named) return undefined;
      const isIn =
        named.test(given) || (this.options.foldsCase && named === UPPER && /[a-z]/.test(given));
      return { p: end, previous: '', isIn };
    }
    return { p, previous: char, isIn: given === char };
  }

  #isBetween(given: string, first: string, last: string): boolean {
    if (first <= given && given <= last) return true;
    if (!this.options.foldsCase || !/[a-z]/.test(given)) return false;
    const upper = given.toUpperCase();
    return first <= upper && upper <= last;
  }

  #fold(char: string): string {
    return this.options.foldsCase && char >= 'A' && char <= 'Z' ? char.toLowerCase() : char;
  }
}

const UPPER = /[A-Z]/;

/** ASCII only, with git's own idea of a space. */
const NAMED_CLASSES: Readonly<Partial<Record<string, RegExp>>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  cntrl: /[\u0000-\u001f\u007f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\r]/,
  upper: UPPER,
  xdigit: /[0-9A-Fa-f]/,
};
