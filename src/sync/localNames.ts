// Whether a name that a server sent may become a file here. Pure.

/** `unsafe`: could leave the folder; `reserved`: not storable here; `collides`: another entry has the same name here. */
export type NameProblem = 'unsafe' | 'reserved' | 'collides';

/** Names that Windows gives to devices, whatever their ending. */
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)/i;
const MAX_NAME_BYTES = 255;

/** What is the same for two names that cannot both be files of one folder here. */
export function nameKey(name: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'linux') return name;
  // Both ways, as some letters have one capital only: `ſ` and `s`, `ß` and `ss`.
  return name.normalize('NFC').toUpperCase().toLowerCase();
}

/** Judges one entry of a folder; `seen` holds the names judged before in the same folder, by key, and is added to. */
export function nameProblem(
  name: string,
  seen: Map<string, string>,
  platform: NodeJS.Platform = process.platform,
): NameProblem | undefined {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (name === '' || name === '.' || name === '..' || /[/\u0000-\u001f\u007f]/.test(name))
    return 'unsafe';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return 'reserved';
  if (platform === 'win32') {
    // A backslash is a separator, a colon opens a drive or a hidden stream of a file.
    if (/[\\:]/.test(name)) return 'unsafe';
    if (/[<>"|?*]/.test(name) || /[. ]$/.test(name) || WINDOWS_DEVICE.test(name)) return 'reserved';
  }
  const key = nameKey(name, platform);
  if (seen.has(key)) return 'collides';
  seen.set(key, name);
  return undefined;
}
