/** Types of codeServer.mjs for the tests, which are TypeScript. */
export interface EditorProgram {
  readonly node: string;
  readonly entry: string;
  readonly vscode: string;
}
export type EditorName = 'newest' | 'oldest';
export declare const editors: Readonly<
  Record<EditorName, { codeServer: string; vscode: string; node: string }>
>;
export declare function editorObstacle(): string | undefined;
export declare function setUpCodeServer(
  which: EditorName,
  log: (text: string) => void,
): Promise<EditorProgram>;
