// How a sentence gets its language. `vscode.l10n.t` fits; the English text is the key.

/** `{0}`, `{1}` ... in the message stand for the arguments. */
export type Translate = (message: string, ...args: (string | number)[]) => string;

/** English as it stands. */
export const english: Translate = (message, ...args) =>
  message.replace(/\{(\d+)\}/g, (whole, index: string) => String(args[Number(index)] ?? whole));

/** A language from a bundle such as `l10n/bundle.l10n.ja.json`; a missing sentence stays English. */
export function fromBundle(bundle: Readonly<Record<string, string>>): Translate {
  return (message, ...args) => english(bundle[message] ?? message, ...args);
}
