// Does what a plan says where the machine has a shell: one command for all of it, or a few; large files come before as parts.
import { createHash, randomBytes } from 'node:crypto';
import { Readable, pipeline } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import { runScript } from '../ssh/remoteScript';
import { APPLY, readAnswer, sumLine } from './applyScript';
import { inBatches, isSmall, standingAfter, type Standing } from './batches';
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

/** Of silence: each part that the machine takes starts it anew. */
const APPLY_TIMEOUT_MS = 30 * 60_000;
const STRAY_AGE_SECONDS = 600;
/** What waits in the staging folder does so for as long as the files after it take; another window must not sweep it. */
const STAGED_AGE_SECONDS = 12 * 3600;
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

/** What one command does, all or nothing. */
interface Batch {
  readonly plan: SyncPlan;
  readonly parts: readonly Part[];
  readonly before: Standing;
  /** Digest of the manifest as it lies there before. */
  readonly digest: string;
  /** What is recorded at its end. */
  readonly after: Manifest;
  readonly swept: readonly string[];
}

/** The same on its way. */
interface StagedBatch extends Batch {
  readonly small: readonly HashedFile[];
  /** A name for it alone: the command before may still be removing its own. */
  readonly staging: string;
}

/** The acting part of one sync, by command. */
export class BulkRun {
  readonly #parts: readonly Part[];
  readonly #bytesTotal: number;
  readonly #done: SyncPlan[] = [];
  #filesDone = 0;
  #bytesDone = 0;
  #bytesTold = 0;

  constructor(
    private readonly options: SyncOptions,
    private readonly state: BulkState,
  ) {
    const { uploads } = state.plan;
    this.#parts = nameParts(uploads.filter((file) => !isSmall(file)));
    this.#bytesTotal = bytesIn(state.plan);
  }

  /** Throws `remoteBusy` or `localFileChanged` when a side changed since the plan was made: another plan may do. */
  async finish(local: LocalTree): Promise<SyncSummary> {
    const { plan, manifest } = this.state;
    const after = this.#after();
    const swept = this.#leftovers();
    const isQuiet =
      plan.uploads.length + plan.removals.length + swept.length === 0 &&
      isSameManifest(after, manifest);
    if (!isQuiet) {
      this.#tell('');
      await this.#applyAll(after, swept);
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
    return {
      uploaded: this.#done.flatMap(({ uploads }) => uploads.map((file) => file.path)),
      removed: this.#done.reduce((sum, { removals }) => sum + removals.length, 0),
      bytes: this.#done.reduce((sum, plan) => sum + bytesIn(plan), 0),
      kept: this.#done.flatMap(({ kept }) => kept),
    };
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
    const { strayAgeSeconds } = this.options;
    const needed = new Set(this.#parts.map((part) => part.name));
    const staged = [...listing.staged]
      .filter(([name]) => !needed.has(name))
      .map(([name, { mtimeSeconds }]) => ({ path: `${STAGING_FOLDER}/${name}`, mtimeSeconds }));
    const old = (found: RemoteTree['strays'], ageSeconds: number): string[] =>
      found
        .filter(({ mtimeSeconds }) => listing.nowSeconds - mtimeSeconds >= ageSeconds)
        .map(({ path }) => path);
    return [
      ...old(tree.strays, strayAgeSeconds ?? STRAY_AGE_SECONDS),
      ...old(staged, strayAgeSeconds ?? STAGED_AGE_SECONDS),
    ];
  }

  async #applyAll(after: Manifest, swept: readonly string[]): Promise<void> {
    const { plan, tree, listing } = this.state;
    const batches = [...inBatches(plan, this.options.batchBytes)];
    const last = batches.pop() ?? plan;
    let before: Standing = { found: plan.found, tree };
    let digest = listing.manifestDigest;
    for (const batch of batches) {
      const standing = standingAfter(before, batch, this.#mtimeSeconds);
      const recorded = { files: standing.found, pending: new Map() };
      digest = await this.#apply({ plan: batch, parts: [], before, digest, after: recorded, swept: [] }); // prettier-ignore
      before = standing;
    }
    await this.#sendParts();
    await this.#apply({ plan: last, parts: this.#parts, before, digest, after, swept });
  }

  async #sendParts(): Promise<void> {
    await sendParts(this.options, this.#parts, {
      staged: this.state.listing.staged,
      onBytes: (bytes, file) => {
        this.#advance(bytes, file.path);
      },
    });
    this.#filesDone += this.#parts.length;
  }

  /** Returns the digest of the manifest that lies there then. */
  async #apply(batch: Batch): Promise<string> {
    const { exec, files, remoteFolder: root, signal } = this.options;
    if (!exec) throw new TypeError('a bulk run needs commands');
    const staged = {
      ...batch,
      small: batch.plan.uploads.filter(isSmall),
      staging: `in-${randomBytes(8).toString('hex')}`,
    };
    const { stdin, packing } = await this.#archive(staged);
    const answer = await runScript(
      exec,
      { script: APPLY, args: [root, staged.staging, batch.digest, packing] },
      { stdin, timeoutMs: APPLY_TIMEOUT_MS, ...(signal && { signal }) },
    );
    readAnswer(answer, root, (name) => this.#parts.find((part) => part.name === name)?.file.path);
    this.#done.push(batch.plan);
    this.#filesDone += staged.small.length;
    return rememberManifest({ files, root }, renderManifest(batch.after), batch.after).digest;
  }

  /** Packed where the beginning shows that it helps. */
  async #archive(
    batch: StagedBatch,
  ): Promise<{ stdin: AsyncIterable<Uint8Array>; packing: 'gzip' | 'plain' }> {
    const parts = tarParts(this.#members(batch), this.#mtimeSeconds);
    const first = (await parts.next()).value as Buffer | undefined;
    const smallBytes = batch.small.reduce((sum, file) => sum + file.size, 0);
    const counted = this.#counted(smallBytes, first, parts);
    if (!first || gzipSync(first, GZIP).length > first.length * WORTHWHILE_RATIO)
      return { stdin: counted, packing: 'plain' };
    const gzip = createGzip(GZIP);
    // An error of the source comes out of the packed stream too, where it is seen.
    pipeline(Readable.from(counted), gzip, () => undefined);
    return { stdin: gzip, packing: 'gzip' };
  }

  async *#counted(
    smallBytes: number,
    first: Buffer | undefined,
    rest: AsyncIterable<Buffer>,
  ): AsyncGenerator<Buffer> {
    let left = smallBytes;
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
  *#members(batch: StagedBatch): Generator<TarMember> {
    const sums: string[] = [];
    for (const [path, text] of Object.entries(this.#texts(batch))) {
      const content = Buffer.from(text);
      sums.push(sumLine(createHash('sha256').update(content).digest('hex'), path));
      yield { path, mode: 0o600, content };
    }
    for (const { path, localPath, size, mode, sha256, bytes } of batch.small) {
      sums.push(sumLine(sha256, `f/${path}`));
      yield { path: `f/${path}`, mode, content: bytes ?? { localPath, size } };
    }
    for (const { name, file } of batch.parts) sums.push(sumLine(file.sha256, `../${name}`));
    yield { path: 'sums', mode: 0o600, content: Buffer.from(sums.join('')) };
  }

  #texts({ plan, small, parts, before, ...batch }: StagedBatch): Readonly<Record<string, string>> {
    const input = { plan, tree: before.tree, small, parts };
    const moves = planMoves(input);
    const pending = new Map(plan.uploads.map((file) => [file.path, entryFor(file)]));
    const staging = `${STAGING_FOLDER}/${batch.staging}`;
    return {
      ...expectation(input, moves),
      pending: renderManifest({ files: before.found, pending }),
      after: renderManifest(batch.after),
      moves: renderMoves(moves, {
        staging,
        mtimeSeconds: this.#mtimeSeconds,
        swept: batch.swept,
      }),
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

function bytesIn(plan: SyncPlan): number {
  return plan.uploads.reduce((sum, file) => sum + file.size, 0);
}

/** True when renames into the project are single steps for everything that the plan touches. */
export function canRunInBulk(plan: SyncPlan, listing: RemoteListing): boolean {
  if (!listing.canUnpack) return false;
  const touched = [...plan.uploads.map((file) => file.path), ...plan.removals];
  return [...foldersOf(touched)].every((folder) => !listing.apart.has(folder));
}
