// The table of commands: id, what each is called with, and where it may be met. Knows neither VS Code nor what they do.

/**
 * What a command receives. `file`: the clicked resource, or none (then the active editor). `job`: a row of the job
 * list, or none (then the command asks which). `none`: nothing.
 */
export type ArgumentKind = 'file' | 'job' | 'none';

export interface CommandRow {
  /** Id in package.json. */
  readonly id: `furo.${string}`;
  readonly argument: ArgumentKind;
  /** False for entries of a submenu that only repeat another command under a shorter title. */
  readonly isInPalette: boolean;
  /** Another command of this table that this one calls with the same argument. */
  readonly sameAs?: string;
}

/** Every command of the extension; package.json is compared with it by a test. */
export const commands = {
  runOnCxSingle: { id: 'furo.runOnCxSingle', argument: 'file', isInPalette: true },
  runOnCxShare: { id: 'furo.runOnCxShare', argument: 'file', isInPalette: true },
  runOnCxSmall: { id: 'furo.runOnCxSmall', argument: 'file', isInPalette: true },
  runOnFuro: { id: 'furo.runOnFuro', argument: 'file', isInPalette: true },
  // The submenu *Run on Furo* already says "Run on Furo", so its entries carry shorter titles.
  chooseCxShare: {
    id: 'furo.chooseCxShare',
    argument: 'file',
    isInPalette: false,
    sameAs: 'runOnCxShare',
  },
  chooseCxSingle: {
    id: 'furo.chooseCxSingle',
    argument: 'file',
    isInPalette: false,
    sameAs: 'runOnCxSingle',
  },
  chooseCxSmall: {
    id: 'furo.chooseCxSmall',
    argument: 'file',
    isInPalette: false,
    sameAs: 'runOnCxSmall',
  },
  chooseGroup: {
    id: 'furo.chooseGroup',
    argument: 'file',
    isInPalette: false,
    sameAs: 'runOnFuro',
  },
  previewJobScript: { id: 'furo.previewJobScript', argument: 'file', isInPalette: true },
  planJob: { id: 'furo.planJob', argument: 'file', isInPalette: true },
  previewSync: { id: 'furo.previewSync', argument: 'file', isInPalette: true },
  newWorkflow: { id: 'furo.newWorkflow', argument: 'none', isInPalette: true },
  openOutput: { id: 'furo.openOutput', argument: 'job', isInPalette: true },
  cancelJob: { id: 'furo.cancelJob', argument: 'job', isInPalette: true },
  openResults: { id: 'furo.openResults', argument: 'job', isInPalette: true },
  copyJobId: { id: 'furo.copyJobId', argument: 'job', isInPalette: true },
  runAgain: { id: 'furo.runAgain', argument: 'job', isInPalette: true },
  removeFromList: { id: 'furo.removeFromList', argument: 'job', isInPalette: true },
  refreshJobs: { id: 'furo.refreshJobs', argument: 'none', isInPalette: true },
  connect: { id: 'furo.connect', argument: 'none', isInPalette: true },
  disconnect: { id: 'furo.disconnect', argument: 'none', isInPalette: true },
  reconnect: { id: 'furo.reconnect', argument: 'none', isInPalette: true },
  checkConnection: { id: 'furo.checkConnection', argument: 'none', isInPalette: true },
  chooseHost: { id: 'furo.chooseHost', argument: 'none', isInPalette: true },
  copyDiagnostics: { id: 'furo.copyDiagnostics', argument: 'none', isInPalette: true },
  setUpEnvironment: { id: 'furo.setUpEnvironment', argument: 'none', isInPalette: true },
  forgetSecrets: { id: 'furo.forgetSecrets', argument: 'none', isInPalette: true },
  startTutorial: { id: 'furo.startTutorial', argument: 'none', isInPalette: true },
  showLog: { id: 'furo.showLog', argument: 'none', isInPalette: true },
  openSettings: { id: 'furo.openSettings', argument: 'none', isInPalette: true },
} as const satisfies Record<string, CommandRow>;

export type CommandName = keyof typeof commands;

/** Names of the commands that are called with an argument of that kind. */
export type CommandsWith<Kind extends ArgumentKind> = {
  [Name in CommandName]: (typeof commands)[Name]['argument'] extends Kind ? Name : never;
}[CommandName];

/** Identifiers of what is contributed beside commands. */
export const viewIds = { container: 'furo', jobs: 'furo.jobs', walkthrough: 'furo.start' } as const;

/** Context keys that the `when` clauses of package.json read; the extension sets them. */
export const contextKeys = {
  /** A user and a remote folder are set, or the simulated Furo is in use. */
  configured: 'furo.configured',
  /** The connection stands. */
  connected: 'furo.connected',
  /** The connection broke and comes back by itself. */
  waiting: 'furo.waiting',
  /** Only a person can bring the connection back. */
  blocked: 'furo.blocked',
  /** At least one job is in the list. */
  hasJobs: 'furo.hasJobs',
} as const;

/**
 * `contextValue` of a row of the job list: `job.<phase>`, then `.results` once results are local or can be fetched,
 * `.output` once there is output, `.again` where running again makes sense (an inference that has ended).
 */
export function jobTag(
  phase: 'submitting' | 'waiting' | 'running' | 'unknown' | 'finished',
  has: { readonly results: boolean; readonly output: boolean; readonly again: boolean },
): string {
  const marks = [has.results && '.results', has.output && '.output', has.again && '.again'];
  return `job.${phase}${marks.filter((mark) => mark !== false).join('')}`;
}
