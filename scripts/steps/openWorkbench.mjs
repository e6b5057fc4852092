/**
 * `npm run demo -- --vscode`: the example folder in a real VS Code, connected to a simulated Furo. Desktop `code` where
 * there is one, else code-server in the browser. Ends with Ctrl+C and takes everything down that it started.
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { editorObstacle, setUpCodeServer } from './codeServer.mjs';
import { pack } from './pack.mjs';
import { canRun, run } from './process.mjs';
import { pageAddress, startEditor } from './startEditor.mjs';

const demoModel = 'HuggingFaceTB/SmolLM2-135M-Instruct';

export async function openWorkbench({ root, python, model, log }) {
  const desktop = await canRun('code');
  const obstacle = desktop ? undefined : editorObstacle();
  if (obstacle)
    throw new Error(`There is no desktop VS Code (command "code") here, and ${obstacle}.`);
  const work = await mkdtemp(join(tmpdir(), 'furo-vscode-'));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort());
  const furo = startFuro({ root, work, python, model });
  try {
    const connection = await furo.ready;
    const folder = join(work, 'examples');
    await cp(join(root, 'examples'), folder, { recursive: true });
    log('extension (VSIX)');
    const vsix = join(work, 'furo-workflows.vsix');
    await pack(vsix);
    const settings = { ...connection.settings, ...inferenceSettings };
    const open = desktop ? openDesktop : openInBrowser;
    const editor = await open({
      work,
      folder,
      vsix,
      settings,
      knownHostsLine: connection.knownHostsLine,
      log,
    });
    editor.closed?.then(() => stop.abort());
    console.log(instructions(editor.where));
    if (!stop.signal.aborted)
      await new Promise((resolve) =>
        stop.signal.addEventListener('abort', resolve, { once: true }),
      );
    await editor.stop();
    return 0;
  } finally {
    await furo.stop();
    await rm(work, { recursive: true, force: true });
  }
}

const inferenceSettings = {
  'furo.inference.model': demoModel,
  'furo.inference.promptTemplate': '{{ question }}',
  'furo.inference.systemPrompt': 'You answer in one or two short sentences.',
  'furo.inference.maxNewTokens': 48,
};

function instructions(where) {
  return `
${where}

  1. In the explorer, open "data", right-click questions.jsonl and choose "Run on Furo cx-single".
  2. Watch the job in the Furo view (activity bar, left) and its output below.
  3. When it has ended, choose "Open Results".
  Try scripts/one_gpu.sh and furo.yaml the same way. Nothing leaves this computer.

Ctrl+C ends it.`;
}

/** The simulated Furo as a process of its own, so that jobs outlive a reload of the window. */
function startFuro({ root, work, python, model }) {
  const places = ['--root', join(work, 'furo'), '--python', python, '--model', model];
  const child = spawn(
    process.execPath,
    [join(root, 'dist', 'cli.js'), 'demo', '--serve', ...places],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    },
  );
  const ended = new Promise((resolve) => child.once('close', resolve));
  const ready = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => {
      const { knownHostsLine, ...settings } = JSON.parse(line);
      resolve({ knownHostsLine, settings });
    });
    ended.then(() => reject(new Error('The simulated Furo ended at once.')));
  });
  return {
    ready,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** The host key is known beforehand: it was made on this computer a moment ago. */
async function trustHost(userData, knownHostsLine) {
  const storage = join(userData, 'User', 'globalStorage', 'furo-workflows.furo-workflows');
  await mkdir(storage, { recursive: true });
  await writeFile(join(storage, 'known_hosts'), `${knownHostsLine}\n`, { mode: 0o600 });
}

async function openInBrowser({ work, folder, vsix, settings, knownHostsLine, log }) {
  const program = await setUpCodeServer('newest', log);
  await trustHost(join(work, 'editor', 'user-data'), knownHostsLine);
  const editor = await startEditor({
    program,
    work: join(work, 'editor'),
    settings,
    extensions: [vsix],
  });
  const address = pageAddress(editor, folder);
  const browser = { darwin: ['open'], win32: ['explorer'] }[process.platform] ?? ['xdg-open'];
  spawn(browser[0], [address], { stdio: 'ignore', detached: true }).on('error', () => undefined);
  return { where: `VS Code is in your browser: ${address}`, stop: () => editor.stop() };
}

async function openDesktop({ work, folder, vsix, settings, knownHostsLine }) {
  const userData = join(work, 'user-data');
  const extensions = join(work, 'extensions');
  await trustHost(userData, knownHostsLine);
  await writeFile(join(userData, 'User', 'settings.json'), JSON.stringify(settings, null, 2));
  const places = ['--user-data-dir', userData, '--extensions-dir', extensions];
  await run('code', [...places, '--install-extension', vsix]);
  const switches = ['--disable-workspace-trust', '--new-window', '--wait'];
  const window = spawn('code', [...places, ...switches, folder], {
    stdio: 'ignore',
    detached: true,
    shell: process.platform === 'win32',
  });
  const closed = new Promise((resolve) => {
    window.once('close', resolve);
    window.once('error', resolve);
  });
  return {
    where: `VS Code is open with the folder ${folder}.`,
    closed,
    stop: () => closeDesktop(userData, closed),
  };
}

/** Ends the VS Code of this user-data folder before the folder goes; its main process keeps its id in code.lock. */
async function closeDesktop(userData, closed) {
  const pid = Number(await readFile(join(userData, 'code.lock'), 'utf8').catch(() => ''));
  if (pid > 0) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      // It has ended by itself.
    }
  }
  if ((await Promise.race([closed, delay(8000, 'late')])) !== 'late') return;
  console.log('Please close the VS Code window: its folder is removed after that.');
  await closed;
}
