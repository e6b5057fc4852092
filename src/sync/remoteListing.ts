// The remote project in one answer: our manifest and everything that lies there. Knows no local files.
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { joinRemote, type RemoteFiles, type RemotePath } from '../ssh/remote';
import { TEMPORARY_PREFIX } from '../ssh/remoteFiles';
import { decoded, runScript, scriptText, type Exec } from '../ssh/remoteScript';
import { EMPTY_MANIFEST, MANIFEST_PATH, parseManifest, type Manifest } from './manifest';
import type { RemoteFact } from './plan';
import type { RemoteTree } from './remoteTree';
import { lastManifest, rememberManifest, type SeenManifest } from './seenManifests';

/** Everything unfinished of ours, below the project folder: one folder that only this program uses. */
export const STAGING_FOLDER = '.furo/staging';

const OWN_FOLDER = '.furo';

/** What one command found. */
export interface RemoteListing {
  readonly manifest: Manifest;
  /** SHA-256 of the manifest as it lies there, or '-': tells whether somebody wrote another meanwhile. */
  readonly manifestDigest: string;
  readonly tree: RemoteTree;
  /** Seconds since 1970 by the machine's clock. */
  readonly nowSeconds: number;
  /** The machine has what unpacks, checks and renames many files in one command. */
  readonly canUnpack: boolean;
  /** Links, and folders on another file system than the project: a rename to below them is no single step. */
  readonly apart: ReadonlySet<string>;
  /** What lies in {@link STAGING_FOLDER}, by name. */
  readonly staged: ReadonlyMap<string, RemoteFact>;
}

const MAX_LISTING_BYTES = 64 * 1024 * 1024;
const LIST_TIMEOUT_MS = 5 * 60_000;
const FORMAT = '"%y %s %T@ %m %D %P\\0"';

/** Fields end with NUL. Our own folder is left out but for what is unfinished there. */
const LISTING = scriptText(
  'export LC_ALL=C;',
  decoded('r', 2),
  'z=cat; command -v gzip >/dev/null 2>&1 && z="gzip -1";',
  'u=plain; [ "$(find / -maxdepth 0 -printf x 2>/dev/null)" = x ] && u=find &&',
  'command -v tar sha256sum touch gzip >/dev/null 2>&1 && u=unpack;',
  '{ printf "%s\\0%s\\0" "$u" "$(date +%s)";',
  'if cd "$r" 2>/dev/null; then printf "here\\0";',
  `if [ -e ${MANIFEST_PATH} ]; then case "$(sha256sum <${MANIFEST_PATH})" in "\${3#_} "*) printf =;;`,
  `*) printf +; cat ${MANIFEST_PATH};; esac; else printf %s -; fi; printf "\\0";`,
  `find . -path ./.furo -prune -printf ${FORMAT} -o -printf ${FORMAT} 2>/dev/null; printf "staged\\0";`,
  `find ${STAGING_FOLDER} -mindepth 1 -maxdepth 1 -printf ${FORMAT} 2>/dev/null;`,
  'elif [ -e "$r" ]; then printf "closed\\0"; else printf "absent\\0"; fi;',
  `printf "end\\0"; } | head -c ${String(MAX_LISTING_BYTES)} | $z;`,
);

/** Undefined where this way does not work: no shell, no GNU find, a folder that is closed, or far too many files. */
export async function listByCommand(
  place: { readonly files: RemoteFiles; readonly exec: Exec; readonly root: RemotePath },
  signal?: AbortSignal,
): Promise<RemoteListing | undefined> {
  const { files, exec, root } = place;
  // What follows is the sync itself, in most cases.
  const options = { timeoutMs: LIST_TIMEOUT_MS, isFollowed: true, ...(signal && { signal }) };
  const last = lastManifest(files, root);
  const answer = await runScript(
    exec,
    { script: LISTING, args: [root, last?.digest ?? '-'] },
    options,
  );
  if (!answer) return undefined;
  const fields = (await unpacked(answer).catch(() => '')).split('\0');
  if (fields.pop() !== '' || fields.pop() !== 'end') return undefined;
  return parseListing(fields, (manifest) =>
    manifest === '=' ? last : takeManifest(place, manifest),
  );
}

async function unpacked(answer: Buffer): Promise<string> {
  const isGzip = answer[0] === 0x1f && answer[1] === 0x8b;
  if (!isGzip) return answer.toString('utf8');
  const limit = { maxOutputLength: MAX_LISTING_BYTES };
  return (await promisify(gunzip)(answer, limit)).toString('utf8');
}

/** What the answer says of the manifest: `-` for none, or `+` and its text. */
function takeManifest(
  place: { readonly files: RemoteFiles; readonly root: RemotePath },
  told: string,
): SeenManifest {
  if (!told.startsWith('+')) return { digest: '-', manifest: EMPTY_MANIFEST };
  const text = told.slice(1);
  return rememberManifest(place, text, parseManifest(text, joinRemote(place.root, MANIFEST_PATH)));
}

function parseListing(
  fields: readonly string[],
  take: (manifest: string) => SeenManifest | undefined,
): RemoteListing | undefined {
  const [tools, now = '', state, ...rest] = fields;
  const nowSeconds = Number(now);
  if (!Number.isSafeInteger(nowSeconds) || nowSeconds <= 0) return undefined;
  const base = { nowSeconds, canUnpack: tools === 'unpack' };
  if (state === 'absent') return { ...base, ...NOTHING };
  const [manifest = '', ...records] = rest;
  const middle = records.indexOf('staged');
  if (state !== 'here' || tools === 'plain' || middle < 0) return undefined;
  const found = readRecords(records.slice(0, middle));
  const device = found.get('')?.device;
  // Without its own first line, find has not understood the question.
  if (device === undefined) return undefined;
  const seen = take(manifest);
  if (!seen) return undefined;
  const isApart = (fact: Found): boolean => fact.kind === 'link' || fact.device !== device;
  const own = found.get(OWN_FOLDER);
  found.delete(OWN_FOLDER);
  return {
    ...base,
    // All that is staged would be copied to its place.
    canUnpack: base.canUnpack && !(own && isApart(own)),
    manifest: seen.manifest,
    manifestDigest: seen.digest,
    tree: toTree(found),
    apart: new Set([...found].filter(([, fact]) => isApart(fact)).map(([path]) => path)),
    staged: readRecords(records.slice(middle + 1)),
  };
}

const NOTHING: Pick<RemoteListing, 'manifest' | 'manifestDigest' | 'tree' | 'apart' | 'staged'> = {
  manifest: EMPTY_MANIFEST,
  manifestDigest: '-',
  tree: { entries: new Map(), folders: new Set(), strays: [] },
  apart: new Set(),
  staged: new Map(),
};

interface Found extends RemoteFact {
  readonly device: string;
}

const KINDS: Readonly<Record<string, RemoteFact['kind']>> = { f: 'file', d: 'folder', l: 'link' };

function readRecords(records: readonly string[]): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const record of records) {
    const [, type = '', size, mtime, bits = '', device = '', path = ''] =
      /^(.) (\d+) (-?\d+)\S* ([0-7]+) (\d+) ([^]*)$/.exec(record) ?? [];
    if (size === undefined) continue;
    const mtimeSeconds = Number(mtime);
    const kind = KINDS[type] ?? 'other';
    const mode = Number.parseInt(bits, 8);
    found.set(path, { kind, size: Number(size), mtimeSeconds, mode, device });
  }
  return found;
}

function toTree(found: ReadonlyMap<string, Found>): RemoteTree {
  const entries = new Map<string, RemoteFact>();
  const folders = new Set<string>();
  const strays: { path: string; mtimeSeconds: number }[] = [];
  for (const [path, fact] of found) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (fact.kind === 'folder') folders.add(path);
    if (name.startsWith(TEMPORARY_PREFIX) && fact.kind === 'file')
      strays.push({ path, mtimeSeconds: fact.mtimeSeconds });
    else if (path !== '') entries.set(path, fact);
  }
  return { entries, folders, strays };
}
