/** Types of pack.mjs for the tests, which are TypeScript. */
export declare function pack(file: string): Promise<string>;
