// The lines of a `.stats` file as key and value pairs, job part and node part. Knows no layout.
// Source: `.stats` files of Furo, June 2025 (test/fixtures/furo). Power and GPU figures are those of an idle node.
import { jobPaths } from './jobFiles';
import { renderDuration, type LocalTime } from './localTime';
import { gpuEntries, gpuSummary } from './gpuEntries';
import { powerEntries, type StatisticsEntry } from './powerEntries';
import { jobModel, type SimulatedJob } from './simulatedJob';

export type { StatisticsEntry } from './powerEntries';

/** Cores and memory of a whole node and of a quarter (`CPU NUM`, `MEMORY SIZE` of the real files). */
const nodeShape = { cores: 40, memoryBytes: 346_112 * 1024 ** 2 };
const quarterShape = { cores: 10, memoryBytes: 86_016 * 1024 ** 2 };

/** Real node ids of Furo reach 0xDF for 221 nodes, so counting seems to begin at 3 (a guess). */
const firstNodeId = 0xffff0003;

/** `0xFFFF007D`. */
export function nodeId(node: number): string {
  return `0x${(firstNodeId + node).toString(16).toUpperCase()}`;
}

/** `2064.2 MiB (2164375552)`: the real files round up to a tenth. */
export function renderMemory(bytes: number): string {
  const tenths = Math.ceil((bytes / 1024 ** 2) * 10) / 10;
  return `${tenths.toFixed(1)} MiB (${bytes})`;
}

function orDash(value: number | string | undefined): string {
  return value === undefined ? '-' : String(value);
}

function ifDefault(isDefault: boolean): string {
  return isDefault ? ' <DEFAULT>' : '';
}

/** Lines of the job section, in the order of the real files. */
export function jobEntries(job: SimulatedJob, localTime: LocalTime): readonly StatisticsEntry[] {
  return [
    ...identityEntries(job),
    ...requestEntries(job, localTime),
    ...limitEntries(job),
    ...courseEntries(job, localTime),
    ...timeEntries(job),
    ...memoryEntries(job),
    ...tofuEntries(),
    ...powerEntries(!job.spec.isShared, job, localTime),
    ...placeEntries(job),
    ...gpuSummary(),
    ...siteEntries(job),
  ];
}

function identityEntries(job: SimulatedJob): StatisticsEntry[] {
  const { spec, part } = job;
  const bulk = part.kind === 'bulkParent' ? part : undefined;
  const subJobs = bulk && bulk.last - bulk.first + 1;
  return [
    ['JOB ID', job.key],
    ['SUB JOB NUM', orDash(subJobs)],
    ['START BULKNO', orDash(bulk?.first)],
    ['END BULKNO', orDash(bulk?.last)],
    ['HOST NAME', spec.hostName],
    ['JOB NAME', spec.name],
    ['JOB TYPE', spec.isInteractive ? 'INTERACT' : 'BATCH'],
    ['JOB MODEL', jobModel(job)],
    ['USER', spec.user],
    ['GROUP', spec.group],
    ['RESOURCE UNIT', spec.resourceUnit],
    ['RESOURCE GROUP', spec.resourceGroup],
    ['APRIORITY', '127 <DEFAULT>'],
    ['PRIORITY', `${spec.priority}${ifDefault(spec.isPriorityDefault)}`],
    ['SHELL', spec.shell],
    ['MAIL SEND FLAG', spec.mailFlags],
    ['MAIL ADDRESS', spec.mailList],
    ['STEP DEPENDENCY EXP', part.kind === 'step' ? part.dependency : ''],
    ['FILE MASK', '0022'],
  ];
}

function requestEntries(job: SimulatedJob, localTime: LocalTime): StatisticsEntry[] {
  const { spec } = job;
  const paths = jobPaths(job);
  const processes = String(spec.mpiProcesses);
  return [
    ['STANDARD OUT FILE', paths.out],
    ['STANDARD ERR FILE', paths.err],
    ['INFORMATION FILE', spec.statistics === 'none' ? '' : paths.stats],
    ['PJSUB DIRECTORY', spec.submitFolder],
    ['FILE SYSTEM NAME', spec.fileSystem],
    ['APPLICATION NAME', spec.applicationName],
    ['NUMA POLICY', '0'],
    ['SPECIFIED JOB START DATE', localTime.full(spec.notBefore)],
    ['AUTO RESTART', spec.isRestartable ? 'yes' : 'no'],
    ['MPI PROC (REQUIRE)', processes],
    ['MPI PROC (ALLOC)', processes],
    ['MPI STATIC PROC (REQUIRE)', processes],
    ['MPI STATIC PROC (ALLOC)', processes],
  ];
}

/** Limits of each process; Furo's defaults. */
const processLimits: readonly StatisticsEntry[] = [
  ['PROC CPU LIMIT', 'unlimited <DEFAULT>'],
  ['PROC COREFILE LIMIT', '0.0 MB (0) <DEFAULT>'],
  ['PROC CREATE PROCESS LIMIT', '2048 <DEFAULT>'],
  ['PROC DATA LIMIT', 'unlimited <DEFAULT>'],
  ['PROC LOCKED MEMORY LIMIT', 'unlimited <DEFAULT>'],
  ['PROC MESSAGE QUEUE LIMIT', 'unlimited <DEFAULT>'],
  ['PROC OPEN FILES LIMIT', '1048576 <DEFAULT>'],
  ['PROC PENDING SIGNAL LIMIT', 'unlimited <DEFAULT>'],
  ['PROC PERMFILE LIMIT', 'unlimited <DEFAULT>'],
  ['PROC STACK LIMIT', 'unlimited <DEFAULT>'],
  ['PROC VIRTUAL MEMORY LIMIT', 'unlimited <DEFAULT>'],
];

function limitEntries({ spec, retries }: SimulatedJob): StatisticsEntry[] {
  return [
    ...processLimits,
    ['COMMENT', spec.comment],
    ['SUPPLEMENTARY INFORMATION', ''],
    ['RETRY NUM', String(retries)],
  ];
}

function courseEntries(job: SimulatedJob, localTime: LocalTime): StatisticsEntry[] {
  const time = localTime.full.bind(localTime);
  return [
    ['LAST STATE', job.lastState],
    ['STATE', job.state],
    ['BACKFILL', job.isBackfilled ? '1' : '0'],
    ['ACCEPT DATE', time(job.acceptedAt)],
    ['QUEUED DATE', time(job.queuedAt)],
    ['PRO START DATE', time(job.prologueAt)],
    ['PRO END DATE', time(job.startedAt)],
    ['JOB START DATE', time(job.startedAt)],
    ['JOB END DATE', time(job.jobEndedAt)],
    ['EPI START DATE', time(job.jobEndedAt)],
    ['EPI END DATE', time(job.jobEndedAt)],
    ['EXIT DATE', time(job.exitedAt)],
    ['JOB DELETE DATE (REQUIRE)', time(job.deleteAskedAt)],
    ['JOB DELETE DATE', time(job.deletedAt)],
    ['ALL PREC SUBJOB EXIT DATE', '-'],
    ['HOLD TIME', String(Math.round(job.holdSeconds))],
    ['LAST HOLD USER', orDash(job.lastHoldUser)],
    ['HOLD NUM', String(job.holds)],
    ['PRM DATE', time(job.jobEndedAt)],
    ['AFFECTED NODE ID', '-'],
    ['EXIT CODE', String(job.exitCode)],
    ['SIGNAL NO', orDash(job.signal)],
    ['PJM CODE', String(job.pjmCode)],
    ['REASON', job.reason],
    ['PRO EXIT CODE', '0'],
    ['EPI EXIT CODE', '0'],
  ];
}

/** Whole seconds between the printed times, as in the real files. */
export function elapsedSeconds(job: SimulatedJob, now = job.jobEndedAt): number {
  if (job.startedAt === undefined) return 0;
  const end = job.jobEndedAt ?? now ?? job.startedAt;
  return Math.max(0, Math.floor(end / 1000) - Math.floor(job.startedAt / 1000));
}

function timeEntries(job: SimulatedJob): StatisticsEntry[] {
  const { elapseSeconds } = job.spec;
  const used = elapsedSeconds(job);
  const both = (seconds: number) => `${renderDuration(seconds, 2)} (${seconds})`;
  return [
    ['ELAPSE TIME (LIMIT)', elapseSeconds === undefined ? 'unlimited' : both(elapseSeconds)],
    ['ELAPSE TIME (USE)', both(used)],
    ...cpuTimes(job),
  ];
}

function cpuTimes(job: SimulatedJob): StatisticsEntry[] {
  const user = Math.round(job.userCpuMs);
  const system = Math.round(job.systemCpuMs);
  return [
    ['USER CPU TIME (USE)', `${user} ms`],
    ['SYSTEM CPU TIME (USE)', `${system} ms`],
    ['CPU TIME (TOTAL)', `${user + system} ms`],
  ];
}

function memoryEntries(job: SimulatedJob): StatisticsEntry[] {
  const { isShared, nodes } = job.spec;
  const shape = isShared ? quarterShape : nodeShape;
  const size = renderMemory(shape.memoryBytes);
  const used = renderMemory(job.maxMemoryBytes);
  const node = (value: string) => (isShared ? '-' : value);
  const quarter = (value: string) => (isShared ? value : '-');
  const cores = String(shape.cores * nodes);
  return [
    ['MEMORY SIZE (LIMIT)', node(`${size} <DEFAULT>`)],
    ['MEMORY SIZE (ALLOC)', node(size)],
    ['MAX MEMORY SIZE (USE)', node(used)],
    ['VNODE MEMORY SIZE (LIMIT)', quarter(size)],
    ['VNODE MEMORY SIZE (ALLOC)', quarter(size)],
    ['VNODE MAX MEMORY SIZE (USE)', quarter(used)],
    ['CPU NUM (REQUIRE)', `${cores}${ifDefault(!isShared)}`],
    ['CPU NUM (ALLOC)', cores],
    ['CPU NUM (USE)', cores],
  ];
}

function tofuEntries(): StatisticsEntry[] {
  return [
    'TOFU USER COMM RECV BYTE',
    'TOFU USER COMM SEND BYTE',
    'TOFU SYSTEM COMM RECV BYTE',
    'TOFU SYSTEM COMM SEND BYTE',
    'FJ PROFILER',
    'SECTOR CACHE',
    'INTRA NODE BARRIER',
  ].map((key) => [key, '-']);
}

function placeEntries({ spec, nodes }: SimulatedJob): StatisticsEntry[] {
  const [virtual, whole] = spec.isShared ? [String(spec.nodes), '-'] : ['-', String(spec.nodes)];
  const ids = nodes.map(nodeId);
  return [
    ['VNODE NUM (REQUIRE)', virtual],
    ['VNODE NUM (ALLOC)', virtual],
    ['VNODE NUM (USE)', virtual],
    ['NODE NUM (REQUIRE)', whole],
    ['NODE NUM (ALLOC)', whole],
    ['NODE NUM (USE)', whole],
    ['NODE NUM (UNUSED)', '0'],
    ['NODE ID (USE)', ids.join(' ') || '-'],
    ['TOFU COORDINATE (USE)', '-'],
    ['NODE ID (RANK)', ids.map((id, rank) => `${id}(${rank})`).join(' ') || '-'],
  ];
}

function siteEntries(job: SimulatedJob): StatisticsEntry[] {
  const { spec } = job;
  const total = spec.gpus * spec.nodes;
  const triple = (key: string, required: string, allocated: string): StatisticsEntry[] => [
    [`${key} (REQUIRE)`, required],
    [`${key} (ALLOC)`, allocated],
    [`${key} (USE)`, key === 'jobenv' ? '' : '-'],
  ];
  const number = (key: string) => {
    const value = spec.siteResources[key];
    return triple(key, value ?? '0 <DEFAULT>', value ?? '0');
  };
  const environment = spec.siteResources['jobenv'] ?? '';
  return [
    ...triple('gpu', `${total}${ifDefault(spec.isGpuDefault)}`, String(total)),
    ...number('gpu-share'),
    ...number('beeond'),
    ...triple('jobenv', environment, environment),
  ];
}

/** `0xffc0000000`: ten cores for each quarter, in the order of the GPUs. */
function cpuBitmap(job: SimulatedJob): string {
  const cores = BigInt(quarterShape.cores);
  const quarter = (1n << cores) - 1n;
  const mask = job.gpus.reduce((bits, gpu) => bits | (quarter << (cores * BigInt(gpu))), 0n);
  return `0x${mask.toString(16)}`;
}

/** Lines of the section of one node. CPU times of a job on several nodes are shared out evenly. */
export function nodeEntries(
  job: SimulatedJob,
  rank: number,
  localTime: LocalTime,
): readonly StatisticsEntry[] {
  const { spec, nodes } = job;
  const shape = spec.isShared ? quarterShape : nodeShape;
  const share = Math.max(1, nodes.length);
  const own = { ...job, userCpuMs: job.userCpuMs / share, systemCpuMs: job.systemCpuMs / share };
  const processes = String(Math.ceil(spec.mpiProcesses / share));
  return [
    ['VNODE ID', String(rank)],
    ['NODE ID', nodeId(nodes[rank] ?? 0)],
    ['TOFU COORDINATE', '-'],
    ['NODE COORDINATE', '-'],
    ['RANK NO', String(rank)],
    ['NODE AVAILABLE', 'available'],
    ['ARCHI INFORMATION', 'PG'],
    ['CPU BITMAP (ALLOC)', cpuBitmap(job)],
    ['CPU BITMAP (USE)', cpuBitmap(job)],
    ['MPI PROC (ALLOC)', processes],
    ['MPI STATIC PROC (ALLOC)', processes],
    ...cpuTimes(own),
    ['MEMORY SIZE (ALLOC)', renderMemory(shape.memoryBytes)],
    ['MAX MEMORY SIZE (USE)', renderMemory(job.maxMemoryBytes)],
    ['CPU NUM (ALLOC)', String(shape.cores)],
    ['CPU NUM (USE)', String(shape.cores)],
    ...Array.from({ length: 9 }, (_, index) => [`PERF COUNT ${index + 1}`, '-'] as const),
    ...tofuEntries(),
    ...powerEntries(!spec.isShared, job, localTime),
    ...gpuEntries(job.gpus),
    ...siteEntries({ ...job, spec: { ...spec, nodes: 1 } }).slice(0, 6),
  ];
}
