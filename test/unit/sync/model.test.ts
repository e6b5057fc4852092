// Any order of edits and deletions on both sides, purges, cuts, crashes and syncs, against a map of what people wrote
// on the machine: nothing of theirs is lost, no file is torn, and a sync ends equal.
import fc from 'fast-check';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isFailure } from '../../../src/base/failure';
import { remotePath } from '../../../src/ssh/remote';
import { maxRemovals } from '../../../src/sync/plan';
import { syncProject } from '../../../src/sync/upload';
import { sshFailure } from '../../../src/ssh/failures';
import type { Exec } from '../../../src/ssh/remoteScript';
import { FolderFiles } from './folderFiles';
import { execIn } from './shellExec';

const isSoak = Boolean(process.env['FURO_SOAK']);
const names = [
  'a',
  'b',
  'run.sh',
  'd/c',
  'd/e',
  'd/f/g',
  'h',
  'i',
  'é.txt',
  'j/k',
  'd',
  'd/f',
] as const;

/** All contents of files below a folder, by path; our own state left out. */
function contents(folder: string, below = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of fs.readdirSync(join(folder, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.name === '.furo') continue;
    if (entry.isDirectory()) for (const [k, v] of contents(folder, path)) found.set(k, v);
    else found.set(path, fs.readFileSync(join(folder, path), 'utf8'));
  }
  return found;
}

const isTemporary = (path: string): boolean => path.includes('.furo-tmp-');

type Way = 'sftp' | 'command';

/** What people wrote on the machine and did not take away themselves, by its text. */
interface Model {
  readonly theirs: Set<string>;
}

class World {
  readonly root = fs.mkdtempSync(join(tmpdir(), 'furo-model-'));
  readonly local = join(this.root, 'local');
  readonly there = join(this.root, 'remote', 'project');
  readonly files = new FolderFiles('/');
  #ticks = 0;

  constructor() {
    for (const folder of [this.local, this.there]) fs.mkdirSync(folder, { recursive: true });
  }

  /** Writes a text never used before; each edit happens in a second of its own, as people's do. */
  edit(root: string, path: string, who: string): string {
    const text = `${who} ${(this.#ticks += 1).toString().padStart(6, '0')}`;
    const file = join(root, path);
    for (const each of this.inTheWay(root, path)) this.remove(root, each);
    fs.mkdirSync(join(file, '..'), { recursive: true });
    fs.writeFileSync(file, text);
    const time = 1_600_000_000 + this.#ticks;
    fs.utimesSync(file, time, time);
    return text;
  }

  /** A folder that has the name of a file to write, or a file that has the name of a folder above it. */
  inTheWay(root: string, path: string): string[] {
    const above = path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
    return above.filter((each) => {
      const file = join(root, each);
      return fs.existsSync(file) && fs.statSync(file).isDirectory() === (each === path);
    });
  }

  /** What lies at and below the paths. */
  texts(root: string, paths: readonly string[]): string[] {
    return [...contents(root)]
      .filter(([each]) => paths.some((path) => `${each}/`.startsWith(`${path}/`)))
      .map(([, text]) => text);
  }

  remove(root: string, path: string): void {
    if (fs.existsSync(join(root, path))) fs.rmSync(join(root, path), { recursive: true });
  }

  /** A shell there whose command to rename is cut after some lines, or whose answer is. */
  #shell(cutAfter: number): Exec {
    const exec = execIn('/bin/sh');
    return async (command, options) => {
      if (cutAfter === Infinity || !command.includes('tar -x')) return exec(command, options);
      const moves = `{ head -n ${cutAfter} $s/moves >$s/cut; /bin/sh $s/cut; [ ${cutAfter} -gt 9 ]; }`;
      await exec(command.replace('/bin/sh $s/moves', moves), options);
      throw sshFailure('connectionLost', { host: 'there' });
    };
  }

  async sync(way: Way, cutAfter: number, saysYes: boolean) {
    this.files.changesLeft = cutAfter;
    try {
      return await syncProject({
        files: this.files,
        ...(way === 'command' && { exec: this.#shell(cutAfter) }),
        localFolder: this.local,
        remoteFolder: remotePath(this.there),
        exclude: [],
        strayAgeSeconds: 0,
        confirmRemovals: () => Promise.resolve(saysYes),
      });
    } catch (error) {
      if (!isFailure(error, 'connectionLost')) throw error;
      return undefined;
    }
  }
}

abstract class Step implements fc.AsyncCommand<Model, World> {
  static count = 0;
  check(): boolean {
    return true;
  }
  abstract act(model: Model, world: World): Promise<void> | void;
  async run(model: Model, world: World): Promise<void> {
    Step.count += 1;
    await this.act(model, world);
    const texts = [...contents(world.there)].filter(([path]) => !isTemporary(path));
    for (const text of model.theirs) expect(texts.map(([, each]) => each)).toContain(text);
    for (const [, text] of texts) expect(text).toMatch(/^(here |there) \d{6}$/);
  }
}

class EditHere extends Step {
  constructor(private readonly name: string) {
    super();
  }
  override act(_model: Model, world: World): void {
    world.edit(world.local, this.name, 'here ');
  }
  override toString = () => `editHere ${this.name}`;
}

class DeleteHere extends Step {
  constructor(private readonly which: readonly string[]) {
    super();
  }
  override act(_model: Model, world: World): void {
    for (const name of this.which) world.remove(world.local, name);
  }
  override toString = () => `deleteHere ${this.which.join()}`;
}

class EditThere extends Step {
  constructor(private readonly name: string) {
    super();
  }
  override act(model: Model, world: World): void {
    const lost = [this.name, ...world.inTheWay(world.there, this.name)];
    for (const text of world.texts(world.there, lost)) model.theirs.delete(text);
    model.theirs.add(world.edit(world.there, this.name, 'there'));
  }
  override toString = () => `editThere ${this.name}`;
}

/** Somebody, or the site, takes a file away. */
class Purge extends Step {
  constructor(private readonly name: string) {
    super();
  }
  override act(model: Model, world: World): void {
    for (const text of world.texts(world.there, [this.name])) model.theirs.delete(text);
    world.remove(world.there, this.name);
  }
  override toString = () => `purge ${this.name}`;
}

/** A sync, whole or cut after some changes; `leavesHalf` is the crash that leaves half a temporary file. */
class Sync extends Step {
  constructor(
    private readonly way: Way,
    private readonly cutAfter: number,
    private readonly leavesHalf: boolean,
    private readonly saysYes: boolean,
  ) {
    super();
  }
  override async act(_model: Model, world: World): Promise<void> {
    const before = contents(world.there);
    world.files.leavesHalf = this.leavesHalf;
    const summary = await world.sync(this.way, this.cutAfter, this.saysYes);
    const after = contents(world.there);
    const here = contents(world.local);
    const gone = [...before.keys()].filter((path) => !isTemporary(path) && !after.has(path));
    for (const path of gone) expect(here.has(path)).toBe(false);
    if (!this.saysYes) expect(gone.length).toBeLessThanOrEqual(maxRemovals(names.length));
    if (!summary) return;
    const kept = new Set(summary.kept.filter((k) => k.copy === undefined).map((k) => k.path));
    for (const [path, text] of here) if (!kept.has(path)) expect(after.get(path)).toBe(text);
    for (const path of after.keys()) expect(isTemporary(path)).toBe(false);
    const again = await world.sync(this.way, Infinity, false);
    expect(again).toMatchObject({ uploaded: 0, removed: 0, bytes: 0 });
  }
  override toString = () => `sync ${this.way} ${this.cutAfter} ${this.leavesHalf} ${this.saysYes}`;
}

const name = fc.constantFrom(...names);

function steps(ways: readonly Way[]) {
  const way = fc.constantFrom(...ways);
  return [
    name.map((each) => new EditHere(each)),
    name.map((each) => new EditHere(each)),
    fc.oneof(name.map((each) => [each]), fc.constant(names)).map((which) => new DeleteHere(which)), // prettier-ignore
    name.map((each) => new EditThere(each)),
    name.map((each) => new Purge(each)),
    fc
      .tuple(way, fc.integer({ min: 0, max: 24 }), fc.boolean(), fc.boolean())
      .map((cut) => new Sync(...cut)),
    fc.tuple(way, fc.boolean()).map(([each, saysYes]) => new Sync(each, Infinity, false, saysYes)),
  ];
}

/** A shell takes much longer than a call. */
const histories = [
  { ways: ['sftp'] as const, wanted: isSoak ? 100_000 : 10_000, runs: 20 },
  { ways: ['command', 'sftp'] as const, wanted: isSoak ? 5_000 : 150, runs: 5 },
];

it.each(histories)(
  'never loses what people wrote there, never leaves a torn file, and syncs twice to nothing: %j',
  async ({ ways, wanted, runs }) => {
    Step.count = 0;
    while (Step.count < wanted)
      await fc.assert(
        fc.asyncProperty(
          fc.commands(steps(ways), { maxCommands: 40, size: 'max' }),
          async (commands) => {
            const world = new World();
            try {
              const last = new Sync(ways[0], Infinity, false, true);
              const setup = () => ({ model: { theirs: new Set<string>() }, real: world });
              await fc.asyncModelRun(setup, [...commands, last]);
            } finally {
              fs.rmSync(world.root, { recursive: true, force: true });
            }
          },
        ),
        { numRuns: runs, ...(!isSoak && { seed: Step.count }) }, // others than in the round before
      );
    expect(Step.count).toBeGreaterThanOrEqual(wanted);
  },
  900_000,
);
