// A Furo in a folder: login node, PJM and compute nodes, real enough for ssh, sftp and batch scripts.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../base/clock';
import { silentLogger, type Logger } from '../base/log';
import { CommandSocket, commandSocketPath, isAnswering } from './commandSocket';
import { Confinement } from './confinement';
import { Faults } from './faults';
import { foldersOf, type Folders } from './folders';
import { furnishHome } from './home';
import { HostFiles } from './hostFiles';
import { findPython, installExecutables, shellEnvironment } from './installation';
import { JobProcesses } from './jobProcess';
import { fingerprintOf, keepKeyPair, knownHostsLine, type KeyPair } from './keys';
import { ComputeNodes } from './nodes';
import { killMarked, machineMarker } from './processes';
import { Scheduler } from './scheduler';
import { furoOptions, type SchedulerOptions } from './schedulerOptions';
import type { TableState } from './jobTable';
import { withChanges, type SchedulerSnapshot } from './schedulerSnapshot';
import { SshServer } from './sshServer';
import { readStateFile, StateFile } from './stateFile';

export type { Faults, FaultSettings } from './faults';

export interface SimulatedFuroOptions {
  /** Folder of the whole simulated machine: home, keys, state. Kept between starts. */
  readonly root: string;
  /** Name to log in with. */
  readonly user?: string;
  /** Python of a virtual environment, which `conda activate furo` puts first in PATH. */
  readonly python?: string;
  /** Hub name to local model folder; linked into the home as the hub's cache. */
  readonly models?: Readonly<Record<string, string>>;
  readonly scheduling?: Partial<SchedulerOptions>;
  /** Port on 127.0.0.1; any free one by default. */
  readonly port?: number;
  /** False keeps all compute nodes on this host, also where they could have networks of their own. */
  readonly usesNamespaces?: boolean;
  readonly log?: Logger;
}

/** What a client needs to connect. */
export interface SimulatedEndpoint {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly user: string;
  /** Private key file in OpenSSH format, mode 0600. */
  readonly identityFile: string;
  /** `SHA256:...` as ssh-keygen prints it. */
  readonly hostKeyFingerprint: string;
  readonly knownHostsLine: string;
  /** Absolute path that stands for `/data/group1/<user>`. */
  readonly remoteFolder: string;
}

export interface SimulatedFuro {
  readonly endpoint: SimulatedEndpoint;
  readonly faults: Faults;
  readonly scheduler: Scheduler;
  readonly nodes: ComputeNodes;
  /** Folder of the PJM commands, for the PATH of another SSH server of this host. */
  readonly binFolder: string;
  /** Variables of every shell. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends every process, socket, timer and namespace; the folder stays. */
  dispose(): Promise<void>;
}

/** The login node's name in the jobs' records; Furo's are flow-cx01 and so on. */
const loginNodeName = 'flow-cx02';
/** The user's unix group; the name in the recorded statistics. */
const groupName = 'user';
const defaultUser = 'researcher';

/** What all parts of one machine share. */
interface Machine {
  readonly options: SimulatedFuroOptions;
  readonly user: string;
  readonly folders: Folders;
  readonly log: Logger;
  readonly faults: Faults;
  /** A Python 3 of the host. */
  readonly python: string;
  /** Unique for the folder; marks the machine's processes, also those that an earlier start left. */
  readonly instance: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Queue, jobs and commands. */
interface BatchSystem {
  readonly scheduler: Scheduler;
  readonly nodes: ComputeNodes;
  dispose(): Promise<void>;
}

/** Starts a simulated Furo. Rejects when the folder is in use, the port is taken or there is no Python 3. */
export async function startSimulatedFuro(options: SimulatedFuroOptions): Promise<SimulatedFuro> {
  const machine = setUp(options);
  if (await isAnswering(commandSocketPath(machine.instance))) {
    throw new Error(`another simulated Furo runs in ${machine.folders.root}`);
  }
  // Whatever a killed run left behind would write into this run's files.
  killMarked(machineMarker, machine.instance);
  const userKey = keepKeyPair(machine.folders.keys, 'id_ed25519');
  const hostKey = keepKeyPair(machine.folders.keys, 'host_key');
  furnishHome({
    folders: machine.folders,
    python: options.python,
    models: options.models ?? {},
    authorizedKeys: `${userKey.publicLine}\n`,
  });
  const batch = await startBatchSystem(machine);
  const server = makeSshServer(machine, hostKey);
  const dispose = async (): Promise<void> => {
    server.dispose();
    await batch.dispose();
  };
  const port = await server.listen().catch(async (error: unknown) => {
    await dispose();
    throw error;
  });
  return {
    endpoint: {
      host: '127.0.0.1',
      port,
      user: machine.user,
      identityFile: userKey.privateFile,
      hostKeyFingerprint: fingerprintOf(hostKey.publicLine),
      knownHostsLine: knownHostsLine(port, hostKey.publicLine),
      remoteFolder: machine.folders.work,
    },
    faults: machine.faults,
    scheduler: batch.scheduler,
    nodes: batch.nodes,
    binFolder: machine.folders.bin,
    environment: machine.environment,
    dispose,
  };
}

function setUp(options: SimulatedFuroOptions): Machine {
  const { user = defaultUser, log = silentLogger } = options;
  mkdirSync(options.root, { recursive: true });
  const root = realpathSync(options.root);
  const folders = foldersOf(root, user);
  const instance = createHash('sha256').update(root).digest('hex').slice(0, 16);
  return {
    options,
    user,
    folders,
    log,
    instance,
    faults: new Faults(),
    python: findPython(),
    environment: shellEnvironment(folders, user, instance),
  };
}

async function startBatchSystem(machine: Machine): Promise<BatchSystem> {
  const { folders, log, instance, faults, user } = machine;
  const nodes = await openNodes(machine);
  const jobs = new JobProcesses({
    nodes,
    environment: machine.environment,
    instance,
    spoolFolder: folders.spool,
    localFolder: folders.local,
    python: machine.python,
    log,
  });
  const files = new HostFiles(faults);
  const { scheduler, state } = restoreScheduler(machine, jobs, files);
  const names = { user, group: groupName, hostName: loginNodeName, shell: '/bin/bash' };
  const path = commandSocketPath(instance);
  const socket = new CommandSocket({
    path,
    scheduler,
    jobs,
    files,
    log,
    keep: () => {
      state.keep();
    },
    ...names,
  });
  await socket.listen();
  installExecutables(folders, socket.path, machine.python);
  return {
    scheduler,
    nodes,
    dispose: async () => {
      // Jobs that run now are written as running; the next start queues them again.
      state.flush();
      socket.dispose();
      scheduler.dispose();
      await jobs.dispose();
      killMarked(machineMarker, instance);
      await nodes.dispose();
    },
  };
}

async function openNodes({ options, folders, log }: Machine): Promise<ComputeNodes> {
  const { nodeCount } = { ...furoOptions, ...options.scheduling };
  const { usesNamespaces = true } = options;
  const { root, etc } = folders;
  const nodes = new ComputeNodes({ root, folder: etc, nodeCount, log, usesNamespaces });
  await nodes.open();
  return nodes;
}

function restoreScheduler(
  { options, folders, log, faults }: Machine,
  runner: JobProcesses,
  files: HostFiles,
): { scheduler: Scheduler; state: StateFile<SchedulerSnapshot> } {
  const path = join(folders.state, 'scheduler.json');
  const kept = readStateFile(path, log) as
    { readonly state: SchedulerSnapshot; readonly changes: readonly TableState[] } | undefined;
  const scheduler = new Scheduler({
    clock: systemClock,
    runner,
    files,
    options: options.scheduling ?? {},
    ...(kept && { snapshot: withChanges(kept.state, kept.changes) }),
  });
  const state = new StateFile({
    path,
    clock: systemClock,
    log,
    snapshot: () => scheduler.snapshot(),
    changes: () => scheduler.jobs.takeTouched(),
  });
  scheduler.onDidChange(() => {
    state.touch();
  });
  faults.onDidChange((settings) => {
    scheduler.faults.daemonDown = settings.isDaemonDown;
    scheduler.faults.siteLinesBefore = settings.linesBefore;
    scheduler.faults.siteLinesAfter = settings.linesAfter;
    scheduler.faults.queueSlowdownMs = settings.queueDelaySeconds * 1000;
    scheduler.faults.submitRefusal = settings.submitRefusal;
    scheduler.faults.breaksJobs = settings.breaksJobs;
    scheduler.faults.closedGroups = settings.closedGroups;
    scheduler.faults.answerDelayMs = settings.answerDelaySeconds * 1000;
  });
  return { scheduler, state };
}

function makeSshServer(machine: Machine, hostKey: KeyPair): SshServer {
  const { options, folders, user, environment, python, faults, log } = machine;
  const { home, visible, keys } = folders;
  const readableFolders = Object.values(options.models ?? {});
  return new SshServer({
    port: options.port ?? 0,
    user,
    hostKey: hostKey.privateText,
    otherHostKey: keepKeyPair(keys, 'other_host_key').privateText,
    authorizedKeys: () => readFileSync(join(home, '.ssh', 'authorized_keys'), 'utf8'),
    home,
    environment,
    python,
    confinement: new Confinement({ home, folders: visible, readableFolders }),
    faults,
    log,
  });
}
