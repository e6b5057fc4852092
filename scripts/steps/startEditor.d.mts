/** Types of startEditor.mjs for the tests, which are TypeScript. */
import type { EditorProgram } from './codeServer.mjs';

export interface EditorOptions {
  readonly program: EditorProgram;
  readonly work: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly extensions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly locale?: string;
  readonly hostTests?: boolean;
  readonly workspaceTrust?: boolean;
}
export interface RunningEditor {
  readonly address: string;
  readonly port: number;
  readonly userData: string;
  readonly extensionsFolder: string;
  log(): string;
  stop(): Promise<void>;
}
export declare function startEditor(options: EditorOptions): Promise<RunningEditor>;
export declare function pageAddress(
  editor: RunningEditor,
  folder: string,
  payload?: readonly (readonly [string, string])[],
): string;
