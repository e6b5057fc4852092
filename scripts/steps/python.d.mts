/** Types of python.mjs for the tests, which are TypeScript. */
export declare class PythonMissing extends Error {}
export declare function setUpPython(log: (text: string) => void): Promise<{ python: string }>;
export declare function setUpDemoModel(
  python: string,
  log: (text: string) => void,
): Promise<string>;
