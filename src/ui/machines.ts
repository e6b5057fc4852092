// The machine of the current connection settings; a changed setting means another one. Connects only in trusted folders.
import * as vscode from 'vscode';
import { systemClock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { Emitter } from '../base/emitter';
import { jobFailure } from '../jobs/failures';
import { StateHistory } from '../jobs/stateHistory';
import { targetOf, type Machine } from '../jobs/openMachine';
import type { ConnectionSettings } from '../settings';
import type { ConnectionState } from '../ssh/connectionState';
import { uiFailure } from './failures';
import { liveSettings } from './liveSettings';

export class Machines implements Disposable {
  readonly #open: (connection: ConnectionSettings) => Machine;
  readonly #changed = new Emitter<ConnectionState>();
  readonly #output = new Emitter<{ readonly jobId: string; readonly text: string }>();
  #current:
    | { readonly key: string; readonly connection: ConnectionSettings; readonly machine: Machine }
    | undefined;
  #tutorial: ConnectionSettings | undefined;

  readonly onDidChangeState = this.#changed.event;
  readonly onDidOutput = this.#output.event;
  /** The last states, of whatever machine. */
  readonly history = new StateHistory(this.#changed.event, systemClock);

  constructor(
    open: (connection: ConnectionSettings) => Machine,
    /** Name of this computer. */
    readonly computer: () => string,
  ) {
    this.#open = open;
  }

  /** The connection settings in force: those of the simulated Furo while it is in use. */
  get connection(): ConnectionSettings {
    return this.#tutorial ?? liveSettings().settings.connection;
  }

  /** The host that `state` is about; changed settings name another one until they are first used. */
  get host(): string {
    return (this.#current?.connection ?? this.connection).host;
  }

  get isConfigured(): boolean {
    const { host, remoteFolder } = this.connection;
    return host !== '' && remoteFolder !== '';
  }

  get state(): ConnectionState {
    return this.#current?.machine.remote.state ?? { kind: 'disconnected' };
  }

  /** The machine, made when first asked for. Throws in a folder that is not trusted. */
  get machine(): Machine {
    if (!vscode.workspace.isTrusted) throw uiFailure('notTrusted');
    const problem = liveSettings().problems.find(({ key }) => key.startsWith('furo.connection.'));
    if (problem)
      throw jobFailure('settingInvalid', { key: problem.key, expected: problem.expected });
    const { connection } = this;
    const key = JSON.stringify(connection);
    if (this.#current?.key !== key) {
      this.close();
      this.#current = { key, connection, machine: this.#adopt(this.#open(connection)) };
    }
    return this.#current.machine;
  }

  /** `user@host:port` of the settings, without opening anything. */
  get target(): string {
    return targetOf(this.connection);
  }

  /** Uses the simulated Furo instead of the settings; undefined goes back to them. */
  useTutorial(connection: ConnectionSettings | undefined): void {
    this.#tutorial = connection;
    this.#changed.fire(this.state);
  }

  close(): void {
    const { machine } = this.#current ?? {};
    this.#current = undefined;
    machine?.dispose();
    this.#changed.fire({ kind: 'disconnected' });
  }

  dispose(): void {
    this.#current?.machine.dispose();
    this.#current = undefined;
    this.history.dispose();
    this.#changed.dispose();
    this.#output.dispose();
  }

  #adopt(machine: Machine): Machine {
    machine.remote.onDidChangeState((state) => {
      this.#changed.fire(state);
    });
    machine.center.onDidOutput((output) => {
      this.#output.fire(output);
    });
    return machine;
  }
}
