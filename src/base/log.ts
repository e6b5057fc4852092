// The log port. `vscode.LogOutputChannel` fits it as it is.

/** Where layers write what happened, for a person who looks for a cause. Never given a secret. */
export interface Logger {
  debug(message: string, ...details: unknown[]): void;
  info(message: string, ...details: unknown[]): void;
  warn(message: string, ...details: unknown[]): void;
  error(message: string | Error, ...details: unknown[]): void;
}

function ignore(): void {
  // Nothing to keep.
}

/** Throws every line away. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
