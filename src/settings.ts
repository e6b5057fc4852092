// The `furo.*` settings as one value. Reads them through a function, so it knows no editor.
import { parseElapse } from './pjm/elapse';
import { dtypes } from './workflow/yamlFields';
import type { WorkflowDefaults } from './workflow/expand';

/** Where to log in and where files go there. Belongs to the computer, never to a workspace. */
export interface ConnectionSettings {
  /** Host name or an alias of the ssh configuration. */
  readonly host: string;
  readonly port: number;
  /** Empty: as the ssh configuration says. */
  readonly user: string;
  /** Empty: agent and default keys. */
  readonly identityFile: string;
  /** Absolute folder on the machine, or one that begins with `~/`. */
  readonly remoteFolder: string;
}

export interface Settings extends WorkflowDefaults {
  readonly connection: ConnectionSettings;
  /** Seconds between two questions to PJM while jobs live. */
  readonly pollSeconds: number;
  readonly syncExclude: readonly string[];
  readonly syncInclude: readonly string[];
}

/** A setting with a value that cannot be used; the default stands in for it. */
export interface SettingProblem {
  readonly key: string;
  readonly expected:
    'text' | 'wholeNumber' | 'count' | 'number' | 'textList' | 'textMap' | 'elapse' | 'dtype';
}

export const defaultSettings: Settings = {
  connection: {
    host: 'flow-cx.cc.nagoya-u.ac.jp',
    port: 22,
    user: '',
    identityFile: '',
    remoteFolder: '',
  },
  job: {
    resourceGroup: 'cx-share',
    nodes: 1,
    elapseSeconds: 3600,
    modules: ['gcc/11.3.0', 'cuda/12.4.1', 'openmpi_cuda/4.0.5'],
    condaEnvironment: 'furo',
    projectGroup: '',
    environment: {},
  },
  inference: {
    model: '',
    input: '',
    generation: { maxNewTokens: 256, temperature: 0, topP: 1, topK: 0, seed: 0, stop: [] },
    dtype: 'auto',
  },
  pollSeconds: 30,
  syncExclude: [],
  syncInclude: [],
};

/** Keys below `furo.`, for the manifest test. */
export const settingKeys = [
  'connection.host',
  'connection.port',
  'connection.user',
  'connection.identityFile',
  'connection.remoteFolder',
  'job.resourceGroup',
  'job.nodes',
  'job.elapse',
  'job.modules',
  'job.condaEnvironment',
  'job.projectGroup',
  'job.environment',
  'inference.model',
  'inference.input',
  'inference.systemPrompt',
  'inference.promptTemplate',
  'inference.maxNewTokens',
  'inference.temperature',
  'inference.topP',
  'inference.topK',
  'inference.seed',
  'inference.stop',
  'inference.batchRows',
  'inference.dtype',
  'poll.intervalSeconds',
  'sync.exclude',
  'sync.include',
] as const;

export type SettingKey = (typeof settingKeys)[number];

/** Reads every setting once; a wrong value is reported and replaced by its default. */
export function readSettings(get: (key: SettingKey) => unknown): {
  settings: Settings;
  problems: readonly SettingProblem[];
} {
  const reader = new SettingReader(get);
  const { connection, job, inference } = defaultSettings;
  const { generation } = inference;
  const systemPrompt = reader.text('inference.systemPrompt', '');
  const promptTemplate = reader.text('inference.promptTemplate', '');
  const batchRows = reader.wholeNumber('inference.batchRows', 0); // 0: the runtime chooses
  const host = reader.text('connection.host', connection.host).trim();
  const settings: Settings = {
    connection: {
      host,
      port: reader.wholeNumber('connection.port', connection.port),
      user: reader.text('connection.user', '').trim(),
      identityFile: reader.text('connection.identityFile', '').trim(),
      remoteFolder: reader.text('connection.remoteFolder', '').trim(),
    },
    job: {
      resourceGroup: reader.text('job.resourceGroup', job.resourceGroup),
      nodes: reader.count('job.nodes', job.nodes),
      elapseSeconds: reader.elapse('job.elapse', job.elapseSeconds),
      modules: reader.textList('job.modules', job.modules),
      condaEnvironment: reader.text('job.condaEnvironment', job.condaEnvironment),
      projectGroup: reader.text('job.projectGroup', job.projectGroup),
      environment: reader.textMap('job.environment', job.environment),
    },
    inference: {
      model: reader.text('inference.model', inference.model),
      input: reader.text('inference.input', inference.input),
      ...(systemPrompt !== '' && { systemPrompt }),
      ...(promptTemplate !== '' && { promptTemplate }),
      generation: {
        maxNewTokens: reader.count('inference.maxNewTokens', generation.maxNewTokens),
        temperature: reader.number('inference.temperature', generation.temperature),
        topP: reader.number('inference.topP', generation.topP),
        topK: reader.wholeNumber('inference.topK', generation.topK),
        seed: reader.wholeNumber('inference.seed', generation.seed),
        stop: reader.textList('inference.stop', generation.stop),
      },
      ...(batchRows > 0 && { batchRows }),
      dtype: reader.dtype('inference.dtype'),
    },
    pollSeconds: pollSecondsOf(reader, host),
    syncExclude: reader.textList('sync.exclude', []),
    syncInclude: reader.textList('sync.include', []),
  };
  return { settings, problems: reader.problems };
}

/** A login node of many users is not asked more often than this, whatever a settings file says. */
export const politePollSeconds = 5;

function pollSecondsOf(reader: SettingReader, host: string): number {
  const seconds = reader.number('poll.intervalSeconds', defaultSettings.pollSeconds);
  const isThisComputer = ['127.0.0.1', '::1', 'localhost'].includes(host);
  return Math.max(isThisComputer ? 1 : politePollSeconds, seconds);
}

class SettingReader {
  readonly problems: SettingProblem[] = [];
  readonly #get: (key: SettingKey) => unknown;

  constructor(get: (key: SettingKey) => unknown) {
    this.#get = get;
  }

  text(key: SettingKey, fallback: string): string {
    return this.#read(key, 'text', fallback, (value) =>
      typeof value === 'string' ? value : undefined,
    );
  }

  number(key: SettingKey, fallback: number): number {
    return this.#read(key, 'number', fallback, (value) =>
      typeof value === 'number' && Number.isFinite(value) ? value : undefined,
    );
  }

  wholeNumber(key: SettingKey, fallback: number): number {
    return this.#read(key, 'wholeNumber', fallback, (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined,
    );
  }

  count(key: SettingKey, fallback: number): number {
    return this.#read(key, 'count', fallback, (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= 1 ? value : undefined,
    );
  }

  elapse(key: SettingKey, fallback: number): number {
    return this.#read(key, 'elapse', fallback, (value) => {
      const seconds = typeof value === 'string' ? parseElapse(value) : undefined;
      return typeof seconds === 'number' && seconds > 0 ? seconds : undefined;
    });
  }

  textList(key: SettingKey, fallback: readonly string[]): readonly string[] {
    return this.#read(key, 'textList', fallback, (value) =>
      Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined,
    );
  }

  textMap(
    key: SettingKey,
    fallback: Readonly<Record<string, string>>,
  ): Readonly<Record<string, string>> {
    return this.#read(key, 'textMap', fallback, (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      const entries = Object.entries(value);
      const isWhole = entries.every(
        ([name, text]) => /^[A-Za-z_]\w*$/.test(name) && typeof text === 'string',
      );
      return isWhole ? Object.fromEntries(entries) : undefined;
    });
  }

  dtype(key: SettingKey): (typeof dtypes)[number] {
    return this.#read(key, 'dtype', 'auto', (value) => dtypes.find((dtype) => dtype === value));
  }

  #read<T>(
    key: SettingKey,
    expected: SettingProblem['expected'],
    fallback: T,
    accept: (value: unknown) => T | undefined,
  ): T {
    const value = this.#get(key);
    if (value === undefined || value === null) return fallback;
    const accepted = accept(value);
    if (accepted !== undefined) return accepted;
    this.problems.push({ key: `furo.${key}`, expected });
    return fallback;
  }
}
