// Does what a plan says where the machine has a shell: large files wait as parts, then one command applies it all.
import { createHash, randomBytes } from 'node:crypto';
import { Readable, pipeline } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import { runScript } from '../ssh/remoteScript';
import { APPLY, readAnswer, sumLine } from './applyScript';
import { SMALL_BYTES } from './contents';
import { nameParts, sendParts, type Part } from './largeParts';
import type { LocalTree } from './localTree';
import { isSameManifest, renderManifest, SENT_AGE_SECONDS, type Manifest } from './manifest';
import { expectation, planMoves, renderMoves } from './moves';
import { entryFor, type HashedFile, type SyncPlan } from './plan';
import { STAGING_FOLDER, type RemoteListing } from './remoteListing';
import { foldersOf } from './remoteState';
import type { RemoteTree } from './remoteTree';
import { rememberManifest } from './seenManifests';
import type { SyncDone, SyncOptions, SyncSummary } from './syncOptions';
import { tarParts, type TarMember } from './tarStream';

const APPLY_TIMEOUT_MS = 30 * 60_000;
const STRAY_AGE_SECONDS = 600;
const PROGRESS_BYTES = 256 * 1024;
const GZIP = { level: 1 };
/** gzip is worth its time when it takes away this much of the beginning. */
const WORTHWHILE_RATIO = 0.4;

export interface BulkState {
  readonly plan: SyncPlan;
  readonly manifest: Manifest;
  readonly tree: RemoteTree;
  readonly listing: RemoteListing;
}

/** The acting part of one sync, by command. */
export class BulkRun {
  readonly #small: readonly HashedFile[];
  readonly #parts: readonly Part[];
  readonly #bytesTotal: number;
  readonly #staging = `in-${randomBytes(8).toString('hex')}`;
  #filesDone = 0;
  #bytesDone = 0;
  #bytesTold = 0;

  constructor(
    private readonly options: SyncOptions,
    private readonly state: BulkState,
  ) {
    const { uploads } = state.plan;
    this.#small = uploads.filter((file) => file.size < SMALL_BYTES);
    // Large ones go over SFTP on two channels, which can go on after a cut.
    this.#parts = nameParts(uploads.filter((file) => file.size >= SMALL_BYTES));
    this.#bytesTotal = uploads.reduce((sum, file) => sum + file.size, 0);
  }

  /** Throws `remoteBusy` or `localFileChanged` when a side changed since the plan was made: another plan may do. */
  async finish(local: LocalTree): Promise<SyncSummary> {
    const { plan, manifest } = this.state;
    const { files, remoteFolder: root } = this.options;
    const after = this.#after();
    const swept = this.#leftovers();
    const isQuiet =
      plan.uploads.length + plan.removals.length + swept.length === 0 &&
      isSameManifest(after, manifest);
    if (!isQuiet) {
      this.#tell('');
      await sendParts(this.options, this.#parts, {
        staged: this.state.listing.staged,
        onBytes: (bytes, file) => {
          this.#advance(bytes, file.path);
        },
      });
      this.#filesDone = this.#parts.length;
      await this.#apply(after, swept);
      rememberManifest({ files, root }, renderManifest(after), after);
      this.#filesDone = plan.uploads.length;
      this.#tell(plan.uploads.at(-1)?.path ?? '');
    }
    return {
      uploaded: plan.uploads.length,
      removed: plan.removals.length,
      unchanged: plan.unchanged.size,
      bytes: this.#bytesTotal,
      kept: plan.kept,
      skippedLinks: local.skippedLinks,
    };
  }

  get done(): SyncDone {
    return { uploaded: [], removed: 0, bytes: 0, kept: [] };
  }

  get #mtimeSeconds(): number {
    return this.state.listing.nowSeconds - SENT_AGE_SECONDS;
  }

  /** What is recorded at the end. */
  #after(): Manifest {
    const { plan } = this.state;
    const remoteMtimeSeconds = this.#mtimeSeconds;
    const sent = plan.uploads.map(
      (file) => [file.path, { ...entryFor(file), remoteMtimeSeconds }] as const,
    );
    return { files: new Map([...plan.unchanged, ...plan.carried, ...sent]), pending: new Map() };
  }

  #leftovers(): string[] {
    const { tree, listing } = this.state;
    const { strayAgeSeconds = STRAY_AGE_SECONDS } = this.options;
    const needed = new Set(this.#parts.map((part) => part.name));
    const staged = [...listing.staged]
      .filter(([name]) => !needed.has(name))
      .map(([name, { mtimeSeconds }]) => ({ path: `${STAGING_FOLDER}/${name}`, mtimeSeconds }));
    return [...tree.strays, ...staged]
      .filter(({ mtimeSeconds }) => listing.nowSeconds - mtimeSeconds >= strayAgeSeconds)
      .map(({ path }) => path);
  }

  async #apply(after: Manifest, swept: readonly string[]): Promise<void> {
    const { exec, remoteFolder: root, signal } = this.options;
    if (!exec) throw new TypeError('a bulk run needs commands');
    const { stdin, packing } = await this.#archive(this.#members(after, swept));
    const args = [root, this.#staging, this.state.listing.manifestDigest, packing];
    const answer = await runScript(
      exec,
      { script: APPLY, args },
      { stdin, timeoutMs: APPLY_TIMEOUT_MS, ...(signal && { signal }) },
    );
    readAnswer(answer, root, (name) => this.#parts.find((part) => part.name === name)?.file.path);
  }

  /** Packed where the beginning shows that it helps. */
  async #archive(
    members: Iterable<TarMember>,
  ): Promise<{ stdin: AsyncIterable<Uint8Array>; packing: 'gzip' | 'plain' }> {
    const parts = tarParts(members, this.#mtimeSeconds);
    const first = (await parts.next()).value as Buffer | undefined;
    const counted = this.#counted(first, parts);
    if (!first || gzipSync(first, GZIP).length > first.length * WORTHWHILE_RATIO)
      return { stdin: counted, packing: 'plain' };
    const gzip = createGzip(GZIP);
    // An error of the source comes out of the packed stream too, where it is seen.
    pipeline(Readable.from(counted), gzip, () => undefined);
    return { stdin: gzip, packing: 'gzip' };
  }

  async *#counted(first: Buffer | undefined, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let left = this.#small.reduce((sum, file) => sum + file.size, 0);
    const count = (part: Buffer): Buffer => {
      // The archive is a little longer than what is in it.
      const bytes = Math.min(left, part.length);
      left -= bytes;
      this.#advance(bytes, '');
      return part;
    };
    if (first) yield count(first);
    for await (const part of rest) yield count(part);
    this.#advance(left, '');
  }

  /** The list of hashes comes last: where it is, everything is. */
  *#members(after: Manifest, swept: readonly string[]): Generator<TarMember> {
    const sums: string[] = [];
    for (const [path, text] of Object.entries(this.#texts(after, swept))) {
      const content = Buffer.from(text);
      sums.push(sumLine(createHash('sha256').update(content).digest('hex'), path));
      yield { path, mode: 0o600, content };
    }
    for (const { path, localPath, size, mode, sha256, bytes } of this.#small) {
      sums.push(sumLine(sha256, `f/${path}`));
      yield { path: `f/${path}`, mode, content: bytes ?? { localPath, size } };
    }
    for (const { name, file } of this.#parts) sums.push(sumLine(file.sha256, `../${name}`));
    yield { path: 'sums', mode: 0o600, content: Buffer.from(sums.join('')) };
  }

  #texts(after: Manifest, swept: readonly string[]): Readonly<Record<string, string>> {
    const { plan, tree } = this.state;
    const input = { plan, tree, small: this.#small, parts: this.#parts };
    const moves = planMoves(input);
    const pending = new Map(plan.uploads.map((file) => [file.path, entryFor(file)]));
    const staging = `${STAGING_FOLDER}/${this.#staging}`;
    return {
      ...expectation(input, moves),
      pending: renderManifest({ files: plan.found, pending }),
      after: renderManifest(after),
      moves: renderMoves(moves, { staging, mtimeSeconds: this.#mtimeSeconds, swept }),
    };
  }

  #advance(bytes: number, currentPath: string): void {
    this.#bytesDone += bytes;
    if (this.#bytesDone - this.#bytesTold >= PROGRESS_BYTES) this.#tell(currentPath);
  }

  #tell(currentPath: string): void {
    this.#bytesTold = this.#bytesDone;
    this.options.onProgress?.({
      filesDone: this.#filesDone,
      filesTotal: this.state.plan.uploads.length,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      currentPath,
    });
  }
}

/** True when renames into the project are single steps for everything that the plan touches. */
export function canRunInBulk(plan: SyncPlan, listing: RemoteListing): boolean {
  if (!listing.canUnpack) return false;
  const touched = [...plan.uploads.map((file) => file.path), ...plan.removals];
  return [...foldersOf(touched)].every((folder) => !listing.apart.has(folder));
}
