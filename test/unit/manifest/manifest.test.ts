// package.json against the tables of the code and both language files.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { settingsFor } from '../../../src/cli/demo';
import { findGroup, furoGroups } from '../../../src/pjm/furo';
import {
  defaultSettings,
  politePollSeconds,
  readSettings,
  settingKeys,
} from '../../../src/settings';
import {
  commands,
  contextKeys,
  jobTag,
  viewIds,
  type CommandRow,
} from '../../../src/ui/commands/ids';

const root = join(import.meta.dirname, '../../..');

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}

interface Property {
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly enumDescriptions?: readonly string[];
  readonly markdownDescription?: string;
  readonly minimum?: number;
  readonly scope?: string;
  readonly pattern?: string;
}

interface MenuItem {
  readonly command?: string;
  readonly submenu?: string;
  readonly when?: string;
}

interface Manifest {
  readonly icon: string;
  readonly capabilities: { untrustedWorkspaces: { restrictedConfigurations: string[] } };
  readonly contributes: {
    readonly commands: readonly { command: string; title: string; enablement?: string }[];
    readonly submenus: readonly { id: string }[];
    readonly menus: Readonly<Record<string, readonly MenuItem[]>>;
    readonly viewsContainers: { activitybar: readonly { id: string; icon: string }[] };
    readonly views: Readonly<Record<string, readonly { id: string; icon: string }[]>>;
    readonly viewsWelcome: readonly { view: string; contents: string; when: string }[];
    readonly configuration: readonly { properties: Readonly<Record<string, Property>> }[];
    readonly snippets: readonly { path: string }[];
    readonly yamlValidation: readonly { url: string }[];
    readonly walkthroughs: readonly {
      id: string;
      steps: readonly { media: { svg: string }; completionEvents: readonly string[] }[];
    }[];
  };
}

const manifest = readJson('package.json') as Manifest;
const { contributes } = manifest;
const english = readJson('package.nls.json') as Record<string, string>;
const japanese = readJson('package.nls.ja.json') as Record<string, string>;
const table: readonly CommandRow[] = Object.values(commands);
const properties = Object.assign(
  {},
  ...contributes.configuration.map((c) => c.properties),
) as Record<string, Property>;

describe('words', () => {
  const text = readFileSync(join(root, 'package.json'), 'utf8');
  const used = new Set([...text.matchAll(/"%([^%"]+)%"/g)].map((match) => match[1] ?? ''));

  it('has each key in both languages and no key too many', () => {
    expect(Object.keys(english).sort()).toEqual([...used].sort());
    expect(Object.keys(japanese).sort()).toEqual([...used].sort());
  });

  it('has no Markdown in the texts of an empty view but links, as VS Code shows it as it stands', () => {
    for (const texts of [english, japanese])
      for (const [key, text] of Object.entries(texts))
        if (key.startsWith('welcome.')) expect(text, key).not.toMatch(/[`*]/);
  });

  it('leaves no text empty', () => {
    for (const words of [...Object.values(english), ...Object.values(japanese)])
      expect(words.trim()).not.toBe('');
  });

  it('mentions the same settings, commands and code words in both languages', () => {
    const marks = (words: string) =>
      [...words.matchAll(/command:[\w.]+|#[\w.]+#|`[^`]+`/g)]
        .map(([mark]) => mark)
        // Examples and the names of formats may be worded for their readers.
        .filter((mark) => !/hours:minutes|時:分|Translate|英語/.test(mark))
        .sort();
    for (const [key, words] of Object.entries(english))
      expect(new Set(marks(japanese[key] ?? '')), key).toEqual(new Set(marks(words)));
  });

  it('points only to commands and settings that there are', () => {
    const ids = new Set<string>(table.map(({ id }) => id));
    for (const [key, words] of Object.entries(english)) {
      for (const [, command = ''] of words.matchAll(/command:([\w.]+)/g))
        if (command.startsWith('furo.')) expect(ids, key).toContain(command);
      for (const [, setting = ''] of words.matchAll(/#([\w.]+)#/g))
        expect(Object.keys(properties), key).toContain(setting);
    }
  });

  it('writes every text that a person sees as a key', () => {
    const seen = [
      ...text.matchAll(/"(title|category|label|altText|contents|\w*[dD]escription)": "([^"]*)"/g),
    ];
    expect(seen.length).toBeGreaterThan(60);
    for (const [, name, value] of seen) expect(value, name).toMatch(/^%[^%]+%$/);
  });
});

describe('commands', () => {
  it('are those of the table', () => {
    expect(contributes.commands.map(({ command }) => command).sort()).toEqual(
      table.map(({ id }) => id).sort(),
    );
  });

  it('are called by their names', () => {
    for (const [name, { id }] of Object.entries(commands)) expect(id).toBe(`furo.${name}`);
    for (const { sameAs } of table)
      if (sameAs !== undefined) expect(Object.keys(commands)).toContain(sameAs);
  });

  it('are hidden from the palette as the table says', () => {
    const hidden = (contributes.menus['commandPalette'] ?? [])
      .filter(({ when }) => when === 'false')
      .map(({ command }) => command);
    expect(hidden.sort()).toEqual(
      table
        .filter(({ isInPalette }) => !isInPalette)
        .map(({ id }) => id)
        .sort(),
    );
  });

  it('and submenus of every menu exist', () => {
    const known = new Set<string>([
      ...table.map(({ id }) => id),
      ...contributes.submenus.map(({ id }) => id),
    ]);
    for (const items of Object.values(contributes.menus))
      for (const { command, submenu } of items) expect(known).toContain(command ?? submenu);
  });

  it('that run or connect wait for trust', () => {
    const harmless = [
      'openOutput',
      'copyJobId',
      'removeFromList',
      'disconnect',
      'forgetSecrets',
      'showLog',
      'chooseHost',
      'copyDiagnostics',
      'openSettings',
    ];
    for (const { command, enablement } of contributes.commands)
      if (!harmless.includes(command.replace('furo.', '')))
        expect(enablement, command).toContain('isWorkspaceTrusted');
  });
});

describe('when clauses', () => {
  const clauses = [...Object.values(contributes.menus).flat(), ...contributes.viewsWelcome].flatMap(
    ({ when }) => when ?? [],
  );

  it('use only the context keys that the extension sets', () => {
    const keys = clauses.flatMap((when) => when.replace(/=~ \S+/g, '').match(/\bfuro\.\w+/g) ?? []);
    const known: string[] = [...Object.values(contextKeys), viewIds.jobs];
    for (const key of keys) expect(known).toContain(key);
    for (const key of Object.values(contextKeys)) expect(keys).toContain(key);
  });

  function pattern(menu: string, command: string): RegExp {
    const item = contributes.menus[menu]?.find((entry) => entry.command === command);
    const match = /=~ \/(.+)\/(i?)/.exec(item?.when ?? '');
    return new RegExp(match?.[1] ?? '(?!)', match?.[2]);
  }

  it('offer to run exactly the kinds of files that can be run', () => {
    for (const menu of ['explorer/context', 'editor/context', 'editor/title/run']) {
      const runs = pattern(menu, 'furo.runOnCxSingle');
      for (const name of ['a.jsonl', 'B.JSONL', 'train.py', 'job.sh', 'furo.yaml', 'furo.yml'])
        expect(name).toMatch(runs);
      for (const name of ['a.json', 'a.pyc', 'notes.yaml', 'my-furo.yaml', 'furo.yaml.bak', 'sh'])
        expect(name).not.toMatch(runs);
    }
  });

  it('match the rows of the job list', () => {
    const none = { results: false, output: false, again: false };
    const all = { results: true, output: true, again: true };
    const menu = 'view/item/context';
    const cancels = pattern(menu, 'furo.cancelJob');
    for (const phase of ['submitting', 'waiting', 'running', 'unknown'] as const)
      expect(jobTag(phase, all)).toMatch(cancels);
    expect(jobTag('finished', all)).not.toMatch(cancels);
    expect(jobTag('finished', none)).toMatch(pattern(menu, 'furo.removeFromList'));
    // A job that is stuck must not stay in the list for ever; the command asks first.
    expect(jobTag('running', all)).toMatch(pattern(menu, 'furo.removeFromList'));
    for (const [command, mark] of [
      ['furo.openResults', 'results'],
      ['furo.openOutput', 'output'],
      ['furo.runAgain', 'again'],
    ] as const) {
      expect(jobTag('finished', { ...none, [mark]: true })).toMatch(pattern(menu, command));
      expect(jobTag('finished', { ...all, [mark]: false })).not.toMatch(pattern(menu, command));
    }
  });
});

describe('settings', () => {
  it('are those of the code, each described', () => {
    expect(Object.keys(properties).sort()).toEqual(settingKeys.map((key) => `furo.${key}`).sort());
    for (const [key, { markdownDescription }] of Object.entries(properties))
      expect(markdownDescription, key).toBe(`%setting.${key.replace('furo.', '')}%`);
  });

  it('have the defaults of the code', () => {
    const { settings, problems } = readSettings((key) => properties[`furo.${key}`]?.default);
    expect(problems).toEqual([]);
    expect(settings).toEqual(defaultSettings);
  });

  it('ask no login node more often than the code does, in the demo neither', () => {
    const { minimum } = properties['furo.poll.intervalSeconds'] ?? {};
    expect(minimum).toBe(politePollSeconds);
    const endpoint = { host: '', port: 1, user: '', identityFile: '', remoteFolder: '' };
    const demo = settingsFor({ endpoint });
    expect(demo['furo.poll.intervalSeconds']).toBeGreaterThanOrEqual(politePollSeconds);
  });

  it('name every batch group of Furo', () => {
    const { enum: names = [], enumDescriptions = [] } = properties['furo.job.resourceGroup'] ?? {};
    const batch = furoGroups.filter(({ isInteractive }) => !isInteractive);
    expect([...names].sort()).toEqual(batch.map(({ name }) => name).sort());
    expect(enumDescriptions).toHaveLength(names.length);
  });

  it('describe the limits of the groups as the code has them', () => {
    for (const name of properties['furo.job.resourceGroup']?.enum ?? []) {
      const group = findGroup(name);
      for (const words of [english[`group.${name}`], japanese[`group.${name}`]]) {
        const hours = /(\d+) (?:hour|時間)/.exec(words ?? '')?.[1];
        if (hours !== undefined) expect(Number(hours) * 3600, name).toBe(group?.maxElapseSeconds);
        const nodes = /(\d+)(?: to |～)(\d+)/.exec(words ?? '');
        if (nodes)
          expect([Number(nodes[1]), Number(nodes[2])], name).toEqual([
            group?.minNodes,
            group?.maxNodes,
          ]);
      }
    }
  });

  it('of the connection belong to the computer, and an untrusted folder chooses nothing', () => {
    const { restrictedConfigurations } = manifest.capabilities.untrustedWorkspaces;
    for (const [key, { scope }] of Object.entries(properties)) {
      expect(scope === 'machine', key).toBe(key.startsWith('furo.connection.'));
      if (key !== 'furo.poll.intervalSeconds') expect(restrictedConfigurations).toContain(key);
    }
  });

  it('take the elapse times that PJM takes', () => {
    const takes = new RegExp(properties['furo.job.elapse']?.pattern ?? '(?!)');
    for (const text of ['1:00:00', '30:00', '90', '2h', '2h30m', '45s'])
      expect(text).toMatch(takes);
    for (const text of ['', 'h', '1:00:00:00', 'soon', '1:0x']) expect(text).not.toMatch(takes);
  });
});

describe('files', () => {
  const paths = [
    manifest.icon,
    ...contributes.viewsContainers.activitybar.map(({ icon }) => icon),
    ...Object.values(contributes.views).flatMap((views) => views.map(({ icon }) => icon)),
    ...contributes.snippets.map(({ path }) => path),
    ...contributes.yamlValidation.map(({ url }) => url),
    ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.svg)),
  ];

  it.each(paths)('%s exists', (path) => {
    expect(existsSync(join(root, path))).toBe(true);
  });

  it('has an icon of 256 by 256', () => {
    const bytes = readFileSync(join(root, manifest.icon));
    expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20)]).toEqual([256, 256]);
  });

  it('has the views and the walkthrough under the ids of the code', () => {
    expect(Object.keys(contributes.views)).toEqual([viewIds.container]);
    expect(contributes.views[viewIds.container]?.map(({ id }) => id)).toEqual([viewIds.jobs]);
    expect(contributes.walkthroughs.map(({ id }) => id)).toEqual([viewIds.walkthrough]);
  });
});
