// What a sync must do, from what is here, what is there and what we once put there. Pure: no files, no clock.
import type { RemoteStat } from '../ssh/remote';
import { copyName, stamp } from './copyName';
import type { Manifest, ManifestFile } from './manifest';

/** A local file with its content known. */
export interface HashedFile {
  /** Below the project folder, `/` between parts. */
  readonly path: string;
  readonly localPath: string;
  readonly size: number;
  /** Milliseconds since 1970; 0 when too recent to vouch for the hash. */
  readonly mtimeMs: number;
  /** 0600 or 0700. */
  readonly mode: number;
  readonly sha256: string;
  /** What is sent, where it was read for its hash and there was room to keep it. */
  readonly bytes?: Buffer;
  /** A script whose line ends are other there than here; `localPath` is then a copy. */
  readonly isNormalised?: boolean;
  /** Where files have no executable bit (Windows), the one that is set there stays. */
  readonly keepsExecutable?: boolean;
}

/** What lies at a path on the other side. */
export interface RemoteFact extends Pick<RemoteStat, 'kind' | 'size' | 'mtimeSeconds'> {
  readonly mode?: number;
  /** Only where {@link pathsToCompare} asked for it. */
  readonly sha256?: string;
}

/**
 * A remote file that was not simply replaced or removed.
 * `changedRemotely`: edited there, not here; the remote one stays as it is.
 * `bothChanged`: edited on both sides, or there before us; the remote one is kept as `copy`, ours takes its name.
 * `inTheWay`: a link or folder has the name of our file, or what is no folder the name of a folder above it; it stays,
 * and ours is not sent.
 * `manyRemovals`: gone here, but with so many others that it looks like an accident; it stays.
 */
export interface KeptFile {
  readonly path: string;
  readonly why: 'changedRemotely' | 'bothChanged' | 'inTheWay' | 'manyRemovals';
  /** Path of the copy below the project folder. */
  readonly copy?: string;
}

export interface SyncPlan {
  readonly uploads: readonly HashedFile[];
  /** Paths that the manifest lists as ours and that are unchanged there. */
  readonly removals: readonly string[];
  /** Folders that the removals leave empty and whose name a file takes, the deepest first. */
  readonly emptied: readonly string[];
  /** Files that are right already; their manifest entries may be new. */
  readonly unchanged: ReadonlyMap<string, ManifestFile>;
  readonly kept: readonly KeptFile[];
  /** Files among `uploads` that we had put there and that are gone: a site removes what is old. */
  readonly purged: readonly string[];
  /** Manifest entries that stay although nothing is done for them. */
  readonly carried: ReadonlyMap<string, ManifestFile>;
  /** All remote files that are ours as they lie there now, before anything is done. */
  readonly found: ReadonlyMap<string, ManifestFile>;
}

export interface PlanInput {
  readonly local: readonly HashedFile[];
  readonly manifest: Manifest;
  readonly remote: ReadonlyMap<string, RemoteFact>;
  /** Where they are known, the folders there and the links that lead to one. */
  readonly folders?: ReadonlySet<string>;
  /** Unfinished files there, which are not in `remote`. */
  readonly strays?: readonly { readonly path: string }[];
  /** True for a path that the rules leave out now: it stays there, and is ours again when they let it in. */
  readonly isExcluded: (path: string) => boolean;
  /** A person said yes to more removals than {@link maxRemovals}. */
  readonly areRemovalsConfirmed?: boolean;
}

/**
 * More removals at once look like an emptied or mistaken folder rather than work, and are asked about: above 50 files, or
 * above a fifth of all that is ours. Five are fine while anything is left here, or a small project would ask each time a
 * file is renamed.
 */
export function maxRemovals(ours: number): number {
  return Math.min(50, Math.max(5, Math.floor(ours / 5)));
}

export function planSync(input: PlanInput): SyncPlan {
  const uploads: HashedFile[] = [];
  const kept: KeptFile[] = [];
  const purged: string[] = [];
  const unchanged = new Map<string, ManifestFile>();
  const gone = planRemovals(input);
  const carried = new Map(gone.carried);
  const scene = sceneOf(input, gone.removals);
  for (const each of input.local) {
    const file = withRemoteMode(each, input.remote.get(each.path));
    const step = decide(file, scene);
    if (step.isPurged) purged.push(file.path);
    if (step.entry) unchanged.set(file.path, step.entry);
    if (step.carry) carried.set(file.path, step.carry);
    if (step.kept) kept.push({ path: file.path, ...step.kept });
    if (step.isUpload) uploads.push(file);
  }
  const found = new Map([...ourFiles(input), ...unchanged, ...carried]);
  const { removals } = gone;
  const emptied = emptiedFor(uploads, scene);
  kept.push(...gone.kept);
  return { uploads, unchanged, carried, found, removals, emptied, purged, kept };
}

/** The input, and what stays there after the removals. */
interface Scene extends PlanInput {
  readonly removed: ReadonlySet<string>;
  /** Folders in which everything is removed. */
  readonly emptied: ReadonlySet<string>;
  /** Names that a copy cannot have, those of earlier copies among them. */
  readonly taken: Set<string>;
}

function sceneOf(input: PlanInput, removals: readonly string[]): Scene {
  const { local, remote } = input;
  const removed = new Set(removals);
  const isAsked = local.some(({ path }) => remote.get(path)?.kind === 'folder');
  const emptied = isAsked ? emptiedFolders(input, removed) : new Set<string>();
  const taken = new Set([...remote.keys(), ...local.map((file) => file.path)]);
  return { ...input, removed, emptied, taken };
}

/** Also those in which a cut run removed everything. */
function emptiedFolders(input: PlanInput, removed: ReadonlySet<string>): Set<string> {
  const { manifest, remote, strays = [] } = input;
  const emptied = new Set<string>();
  for (const path of [...manifest.files.keys(), ...manifest.pending.keys()])
    for (const folder of foldersAbove(path))
      if (remote.get(folder)?.kind === 'folder') emptied.add(folder);
  const stays = [...remote.keys()].filter((path) => !removed.has(path) && !emptied.has(path));
  for (const path of [...stays, ...strays.map((stray) => stray.path)])
    for (const folder of foldersAbove(path)) emptied.delete(folder);
  return emptied;
}

function emptiedFor(uploads: readonly HashedFile[], { remote, emptied }: Scene): string[] {
  return uploads
    .filter(({ path }) => remote.get(path)?.kind === 'folder')
    .flatMap(({ path }) => [...emptied].filter((each) => `${each}/`.startsWith(`${path}/`)))
    .sort((a, b) => b.length - a.length);
}

function* foldersAbove(path: string): Generator<string> {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
    yield path.slice(0, at);
}

function withRemoteMode(file: HashedFile, remote: RemoteFact | undefined): HashedFile {
  const isSet = remote?.kind === 'file' && ((remote.mode ?? 0) & 0o100) !== 0;
  return file.keepsExecutable === true && isSet ? { ...file, mode: 0o700 } : file;
}

/** What the manifest records and is still so, and what an upload that was cut has left whole. */
function* ourFiles({ manifest, remote }: PlanInput): Generator<[string, ManifestFile]> {
  for (const [path, fact] of remote) {
    const entry = ourEntry(path, fact, manifest);
    if (entry) yield [path, entry];
  }
}

/** Paths whose remote content decides: not as recorded, but maybe what we hold or what a cut upload left. */
export function pathsToCompare(input: Omit<PlanInput, 'isExcluded'>): string[] {
  const sizes = new Map(input.local.map((file) => [file.path, file.size]));
  const { files, pending } = input.manifest;
  return [...new Set([...sizes.keys(), ...pending.keys()])].filter((path) => {
    const remote = input.remote.get(path);
    if (remote?.kind !== 'file') return false;
    const entry = files.get(path);
    if (entry && isRecorded(entry, remote)) return false;
    return remote.size === sizes.get(path) || remote.size === pending.get(path)?.size;
  });
}

interface Step {
  readonly isUpload?: boolean;
  readonly isPurged?: boolean;
  /** The file is right as it is. */
  readonly entry?: ManifestFile;
  /** The old entry stays. */
  readonly carry?: ManifestFile;
  readonly kept?: Omit<KeptFile, 'path'>;
}

function decide(file: HashedFile, scene: Scene): Step {
  const { manifest, emptied } = scene;
  const remote = scene.remote.get(file.path);
  const entry = manifest.files.get(file.path);
  if ([...foldersAbove(file.path)].some((folder) => isBlocked(folder, scene)))
    return { kept: { why: 'inTheWay' } };
  if (!remote) return { isUpload: true, isPurged: entry?.remoteMtimeSeconds !== undefined };
  if (remote.kind !== 'file')
    return emptied.has(file.path) ? { isUpload: true } : { kept: { why: 'inTheWay' } };
  const isSame = entry?.sha256 === file.sha256 && entry.mode === file.mode;
  if (entry && isRecorded(entry, remote))
    return isSame ? { entry: entryFor(file, remote) } : { isUpload: true };
  if (remote.sha256 === file.sha256) return { entry: entryFor(file, remote) };
  if (ourEntry(file.path, remote, manifest)) return { isUpload: true };
  // Not what we left there. Edited there only: it wins. Edited here too, or never ours: both survive.
  if (entry && isSame)
    return { carry: { ...entry, isLeftOut: undefined }, kept: { why: 'changedRemotely' } };
  const copy = copyName(file.path, `remote-${stamp(remote.mtimeSeconds)}`, scene.taken);
  scene.taken.add(copy);
  return { isUpload: true, kept: { why: 'bothChanged', copy } };
}

/** Whether something else stands, and stays, where a folder must be. */
function isBlocked(folder: string, { remote, removed, folders }: Scene): boolean {
  const kind = remote.get(folder)?.kind;
  if (kind === undefined || kind === 'folder' || removed.has(folder)) return false;
  return kind !== 'link' || folders?.has(folder) === false;
}

function planRemovals(input: PlanInput): Pick<SyncPlan, 'removals' | 'kept' | 'carried'> {
  const { local, manifest } = input;
  const here = new Set(local.map((file) => file.path));
  const gone = new Map<string, ManifestFile>();
  const carried = new Map<string, ManifestFile>();
  const kept: KeptFile[] = [];
  let ours = 0;
  for (const path of new Set([...manifest.files.keys(), ...manifest.pending.keys()])) {
    const wasLeftOut = manifest.files.get(path)?.isLeftOut === true;
    if (!wasLeftOut) ours += 1;
    const remote = input.remote.get(path);
    if (here.has(path) || !remote) continue;
    const entry = ourEntry(path, remote, manifest);
    if (wasLeftOut || input.isExcluded(path)) {
      if (entry) carried.set(path, { ...entry, isLeftOut: true });
    } else if (entry) gone.set(path, entry);
    else kept.push({ path, why: 'changedRemotely' });
  }
  const removals = [...gone.keys()];
  const isUsual = removals.length <= maxRemovals(ours) && local.length > 0;
  if (input.areRemovalsConfirmed === true || isUsual) return { removals, kept, carried };
  for (const path of removals) kept.push({ path, why: 'manyRemovals' });
  return { removals: [], kept, carried: new Map([...carried, ...gone]) };
}

/** Of a remote file that is what we left there, or what an upload that was cut may have left. */
function ourEntry(path: string, remote: RemoteFact, manifest: Manifest): ManifestFile | undefined {
  if (remote.kind !== 'file') return undefined;
  const entry = manifest.files.get(path);
  if (entry && isRecorded(entry, remote)) return entry;
  const pending = manifest.pending.get(path);
  if (!pending || pending.sha256 !== remote.sha256) return undefined;
  return { ...pending, remoteMtimeSeconds: remote.mtimeSeconds };
}

function isRecorded(entry: ManifestFile, remote: RemoteFact): boolean {
  return entry.size === remote.size && entry.remoteMtimeSeconds === remote.mtimeSeconds;
}

export function entryFor(file: HashedFile, remote?: RemoteFact): ManifestFile {
  return {
    size: file.size,
    sha256: file.sha256,
    mode: file.mode,
    localMtimeMs: file.mtimeMs,
    ...(remote && { remoteMtimeSeconds: remote.mtimeSeconds }),
  };
}
