/** Types of stage.mjs for the tests, which are TypeScript. */
import type { SimulatedEndpoint } from '../../../src/simulator/simulatedFuro';

export interface Stage {
  readonly workspace: string;
  readonly emptyExtension: string;
  /** JSON file with one `HostResult` for each test. */
  readonly results: string;
  readonly env: Readonly<Record<string, string>>;
  readonly suite: string;
}
export declare function setStage(options: {
  readonly work: string;
  readonly userData: string;
  readonly endpoint?: SimulatedEndpoint;
}): Promise<Stage>;
