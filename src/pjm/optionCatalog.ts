// Every option of pjsub, once: completion, hover, checks and the simulator's command line read this table.
// Source: Command Reference (TCS V4.0L20), pjsub; remarks on Furo from public scripts.

/** How an option takes its value. */
export type OptionValue = 'none' | 'text' | 'number' | 'path' | 'resources' | 'mpi';

export interface PjsubOption {
  /** Name used in code, the long flag without dashes. */
  readonly id: string;
  readonly flags: readonly string[];
  readonly value: OptionValue;
  /** One sentence, plain English. */
  readonly help: string;
  /** False for options that pjsub ignores in a script. */
  readonly isForScript: boolean;
  /** Ids that cannot be given together with this one. */
  readonly excludes?: readonly string[];
}

type Row = readonly [flags: string, value: OptionValue, help: string, excludes?: string];

const rows: readonly Row[] = [
  [
    '--rsc-list -L',
    'resources',
    'Resources: resource group, nodes, elapse time and site resources.',
  ],
  ['--name -N', 'text', 'Job name: at most 63 bytes, begins with a letter, no slash.'],
  ['--out -o', 'path', 'Standard output file; %j is the job id, %n the name.'],
  ['--err -e', 'path', 'Standard error file; %j is the job id, %n the name.', 'j'],
  ['-j', 'none', 'Standard error goes into the standard output file.', 'err'],
  ['--stats -s', 'none', 'Write the statistics of the job to a .stats file.', 'STATS'],
  ['--STATS -S', 'none', 'Write the statistics of the job and of each node.', 'stats'],
  ['--spath', 'path', 'Path of the statistics file; needs -s or -S.'],
  ['--gname -g --gid', 'text', 'Group (project) that is charged.'],
  ['--mail -m', 'text', 'Send mail at begin (b), end (e), restart (r); s or S with statistics.'],
  ['--mail-list', 'text', 'Addresses for the mails.'],
  ['-p', 'number', 'Priority among your own jobs, 0 to 255.'],
  ['--at', 'text', 'Do not start before YYYYMMDD[hhmm].'],
  ['--restart', 'none', 'Run again after a node failure (the default on Furo).', 'norestart'],
  ['--norestart', 'none', 'Do not run again after a node failure.', 'restart'],
  ['--comment', 'text', 'Free text kept in the statistics, at most 255 bytes.'],
  ['--appname', 'text', 'Application name kept in the statistics.'],
  ['--fs', 'text', 'File systems that the job uses.'],
  ['-x', 'text', 'Set environment variables in the job: "A=1,B=2".'],
  ['-X', 'none', "Pass the whole environment. Furo's FAQ says this is not provided there."],
  ['-w', 'text', 'Return early: nowait or jobchk.'],
  ['-z', 'text', 'Print only the job id (jid) when accepted.', 'verbose'],
  ['-P', 'text', 'Placement of virtual nodes: vn-policy, exec-policy.'],
  ['--mpi', 'mpi', 'MPI: proc=N processes, max-proc-per-node=N.'],
  ['--bulk', 'none', 'Bulk job: the script runs once for each number of --sparam "0-9".', 'step'],
  ['--step', 'none', 'Step job: scripts run one after the other.', 'bulk'],
  ['--interact', 'none', 'Interactive job: a shell on a compute node.', 'bulk'],
  ['--sparam', 'text', 'Parameters of a bulk, step or interactive job.'],
  ['--vset', 'text', 'Define ${name} for the following directive lines.'],
  ['--llio', 'text', 'Layered storage; not on Furo Type II.'],
  ['--net-route', 'text', 'Tofu routing; not on Furo Type II.'],
  ['--script-delimiter', 'text', 'Separator between the scripts of a step job.'],
  ['--dir-prefix -C', 'text', 'Another prefix instead of #PJM.'],
  ['--verbose', 'none', 'Tell about ignored options.', 'z'],
  ['--help', 'none', 'Show how pjsub is used.'],
];

const onlyOnCommandLine = new Set(['dir-prefix', 'verbose', 'script-delimiter', 'help']);

/** The table, one entry for each option. */
export const pjsubOptions: readonly PjsubOption[] = rows.map(([flags, value, help, excludes]) => {
  const all = flags.split(' ');
  const id = (all[0] ?? '').replace(/^-+/, '');
  return {
    id,
    flags: all,
    value,
    help,
    isForScript: !onlyOnCommandLine.has(id),
    ...(excludes === undefined ? {} : { excludes: [excludes] }),
  };
});

const byFlag = new Map(
  pjsubOptions.flatMap((option) => option.flags.map((flag) => [flag, option])),
);

/** The option that a flag such as `-L` or `--rsc-list` names. */
export function findOption(flag: string): PjsubOption | undefined {
  return byFlag.get(flag);
}

/** A key of `-L`. */
export interface ResourceKey {
  readonly key: string;
  readonly aliases: readonly string[];
  readonly help: string;
}

/** Keys of `-L` that mean something on a PRIMERGY system such as Furo Type II. */
export const resourceKeys: readonly ResourceKey[] = [
  { key: 'rscgrp', aliases: ['rg'], help: 'Resource group (queue), for example cx-single.' },
  { key: 'rscunit', aliases: ['ru'], help: 'Resource unit; cx on Furo Type II, optional.' },
  { key: 'node', aliases: [], help: 'Number of whole nodes (4 GPUs each).' },
  { key: 'vnode', aliases: [], help: 'Number of virtual nodes, with (core=C;mem=M).' },
  { key: 'vnode-core', aliases: [], help: 'Cores of a virtual node.' },
  { key: 'vnode-mem', aliases: [], help: 'Memory of a virtual node.' },
  { key: 'core-mem', aliases: [], help: 'Memory for each core.' },
  { key: 'node-mem', aliases: [], help: 'Memory of each node.' },
  { key: 'elapse', aliases: [], help: 'Time limit, H:MM:SS; note that 3:00 is three minutes.' },
  { key: 'gpu', aliases: [], help: 'GPUs; cx-share gives one.' },
  { key: 'gpu-share', aliases: [], help: 'Site resource of Furo.' },
  { key: 'beeond', aliases: [], help: 'Site resource of Furo: BeeOND storage.' },
  { key: 'jobenv', aliases: [], help: 'Job environment, for example singularity.' },
  { key: 'max-proc-per-node', aliases: [], help: 'Processes on each node at most.' },
  ...[
    'core',
    'cpu',
    'crproc',
    'data',
    'lockm',
    'msgq',
    'openfd',
    'psig',
    'filesz',
    'stack',
    'vmem',
  ].map((name) => ({ key: `proc-${name}`, aliases: [], help: `Limit of each process (${name}).` })),
];

/** The entry of a `-L` key or its short form. */
export function findResourceKey(key: string): ResourceKey | undefined {
  return resourceKeys.find((entry) => entry.key === key || entry.aliases.includes(key));
}
