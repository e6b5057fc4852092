// Takes out of a text what tells who somebody is and where: names of machines and people, paths, addresses, keys.
// Known values get a name that stays the same through the text; whatever else looks like one gets a general name.

/** A value to take out, and the name that stands for it, such as `<host>`. */
export interface Secret {
  readonly value: string;
  readonly name: string;
}

/** Shapes that may tell somebody apart, whoever they belong to. In this order: later ones see what earlier ones left. */
const shapes: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)/g, '<key>'],
  [/\b(?:SHA256|MD5):[A-Za-z0-9+/=:]+/g, '<fingerprint>'],
  [/\b(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-\S+) AAAA\S+/g, '<key>'],
  // A proxy command may name anything.
  [/(?<=\bproxy command of [^\n:]*: )[^\n]+/g, '<command>'],
  // user@machine, a mail address
  [/[^\s@<>"'`()[\]{},;:=]+@[^\s@<>"'`()[\]{},;:=]+/g, '<account>'],
  [/[^\s@<>"'`()[\]{},;:=]+@(?=<)/g, '<account>@'],
  [/(?<=>@)[\w.-]+/g, '<name>'],
  [/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, '<address>'],
  [/(?<![\w:])(?=[\d:]*(?:::|[a-f]))(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])/gi, '<address>'],
  [/\bfile:\/\/[^\s"'`<>)]+/g, '<path>'],
  // What follows a known folder, whatever it is called.
  [/(?<=<(?:home|project|remote folder)>)[\\/][^\s"'`<>()[\]{},;:]+/g, '/...'],
  // Windows, then everything below a slash or the home.
  [/\b[A-Za-z]:[\\/](?:[^\s"'`<>|:*?]+)/g, '<path>'],
  [/\\\\[^\s"'`<>|:*?]+/g, '<path>'],
  [/(?<![\w<>.\-/])~?(?:\/[^\s"'`<>()[\]{},;:]+)+\/?/g, '<path>'],
  // Names of machines: at least two dots, or a top domain that is one.
  [/(?<![\w<.-])(?:[a-z0-9-]+\.)+(?:jp|com|org|net|edu|local|internal|lan)\b/gi, '<name>'],
  [/\b[A-Za-z0-9+/_-]{40,}={0,2}/g, '<token>'],
];

/** A function that takes all secrets and all shapes out. */
export function redactor(secrets: readonly Secret[]): (text: string) => string {
  const names = new Map(secrets.map(({ value, name }) => [value.toLowerCase(), name]));
  // In one pass, so that no value is found in a name that stands for another; a path goes before its parts.
  const values = [...names.keys()].filter((value) => value.length > 1);
  const patterns = values.toSorted((a, b) => b.length - a.length).map(patternOf);
  const known = new RegExp(patterns.join('|') || '(?!)', 'gi');
  return (text) =>
    shapes.reduce(
      (rest, [pattern, name]) => rest.replace(pattern, name),
      text.replace(known, (value) => names.get(value.toLowerCase()) ?? ''),
    );
}

/** A name of few letters is part of many words; it stands alone to be meant. */
function patternOf(value: string): string {
  const escaped = value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const isWord = (char: string | undefined) => char !== undefined && /[A-Za-z0-9]/.test(char);
  const before = isWord(value[0]) ? '(?<![A-Za-z0-9])' : '';
  const after = isWord(value.at(-1)) ? '(?![A-Za-z0-9])' : '';
  return before + escaped + after;
}
