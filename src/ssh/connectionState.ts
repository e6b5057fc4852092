// The states of one connection. Pure: `connection.ts` acts on them, views only show them.

export type ConnectionState =
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'connecting'; readonly attempt: number }
  | { readonly kind: 'connected'; readonly sinceMs: number }
  /** Lost without being asked; the next attempt comes at `retryAtMs`. */
  | { readonly kind: 'waiting'; readonly attempt: number; readonly retryAtMs: number }
  /** Only a person can help: authentication, host key, bad settings. `reason` is a failure reason. */
  | { readonly kind: 'blocked'; readonly reason: string };
