// The simulated Furo inside the editor: started on demand, in the extension's own storage. The only file that knows it.
import * as vscode from 'vscode';
import type { Disposable } from '../base/disposable';
import type { Logger } from '../base/log';
import type { SimulatedFuro } from '../simulator/simulatedFuro';
import { uiFailure } from './failures';
import type { Machines } from './machines';
import { showInformation, withProgress } from './messages';

export interface TutorialParts {
  readonly machines: Machines;
  /** Folder of the simulated machine. */
  readonly storage: string;
  /** Puts the simulated host key among those that are trusted, as it is made here. */
  readonly trustHost: (knownHostsLine: string) => Promise<void>;
  readonly log: Logger;
}

const demoModel = 'HuggingFaceTB/SmolLM2-135M-Instruct';

export class Tutorial implements Disposable {
  readonly #parts: TutorialParts;
  #furo: SimulatedFuro | undefined;

  constructor(parts: TutorialParts) {
    this.#parts = parts;
  }

  /** Starts the simulated Furo and uses it instead of the connection settings. */
  async start(): Promise<void> {
    if (!vscode.workspace.isTrusted) throw uiFailure('notTrusted');
    const { machines, storage, trustHost, log } = this.#parts;
    if (!this.#furo) {
      const title = vscode.l10n.t('Starting the simulated Furo');
      this.#furo = await withProgress(
        { location: vscode.ProgressLocation.Notification, title },
        () => startFuro(storage, log),
      );
    }
    const { host, port, user, identityFile, remoteFolder, knownHostsLine } = this.#furo.endpoint;
    await trustHost(knownHostsLine);
    machines.useTutorial({ host, port, user, identityFile, remoteFolder });
    const text = vscode.l10n.t(
      'The simulated Furo runs on this computer. Right-click a file and choose Run on Furo; nothing leaves your computer.',
    );
    const back = vscode.l10n.t('Back to My Settings');
    if ((await showInformation(text, back)) === back) await this.stop();
  }

  async stop(): Promise<void> {
    const furo = this.#furo;
    this.#furo = undefined;
    this.#parts.machines.useTutorial(undefined);
    this.#parts.machines.close();
    await furo?.dispose();
  }

  dispose(): void {
    void this.#furo?.dispose();
  }
}

/** `FURO_DEMO_PYTHON` and `FURO_DEMO_MODEL` come from `npm run demo -- --vscode`. */
async function startFuro(root: string, log: Logger): Promise<SimulatedFuro> {
  const { startSimulatedFuro } = await import('../simulator/simulatedFuro');
  const python = process.env['FURO_DEMO_PYTHON'];
  const model = process.env['FURO_DEMO_MODEL'];
  return startSimulatedFuro({
    root,
    ...(python !== undefined && { python }),
    ...(model !== undefined && { models: { [demoModel]: model } }),
    log,
  });
}
