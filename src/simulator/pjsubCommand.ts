// pjsub: reads the script, checks the request and hands the job to the scheduler. Knows no processes.
import { isGiven, lastValue, splitArguments } from './arguments';
import { baseName, resolvePath, scriptCopyPath } from './jobFiles';
import { acceptJobs, refuseJob, writeCopy, type ReadyScript } from './pjsubAccept';
import { runInteractive } from './pjsubInteractive';
import { submitBulk, submitSteps } from './pjsubMultiple';
import {
  checkCombinations,
  foreignOptions,
  MergedOptions,
  pjsubRules,
  readScriptOptions,
  unknownOption,
  type Refusal,
} from './pjsubOptions';
import { readJobSpec } from './pjsubSpec';
import { pjsubUsage } from './usageTexts';
import { renderMessage } from './pjmText';
import type { CommandCall } from './pjmCommand';
import type { Scheduler } from './scheduler';

export async function runPjsub(scheduler: Scheduler, call: CommandCall): Promise<number> {
  const { options, operands, bad } = splitArguments(call.arguments, pjsubRules);
  if (isGiven(options, 'help')) {
    call.stdout(pjsubUsage);
    return 0;
  }
  if (bad !== undefined) return refuseJob(call, unknownOption(bad));
  const names = scriptNames(operands, options);
  const isStep = isGiven(options, 'step');
  if (names.length > 1 && !isStep)
    return refuseJob(call, { code: 23, text: 'Multiple script files specified.' });
  const scripts: ReadyScript[] = [];
  for (const name of names.length === 0 ? [undefined] : names) {
    const script = readScript(scheduler, { call, options, name });
    if ('code' in script) return refuseJob(call, script);
    scripts.push(script);
  }
  return submitScripts(scheduler, call, scripts);
}

/** Operands; the scripts of a step job may also be joined by a delimiter. */
function scriptNames(
  operands: readonly string[],
  options: Parameters<typeof isGiven>[0],
): readonly string[] {
  const delimiter = lastValue(options, 'script-delimiter') ?? ',';
  if (!isGiven(options, 'step') || delimiter === 'none') return operands;
  return operands.flatMap((operand) => operand.split(delimiter)).filter((name) => name !== '');
}

interface ScriptSource {
  readonly call: CommandCall;
  readonly options: Parameters<typeof isGiven>[0];
  /** Undefined: standard input. */
  readonly name: string | undefined;
}

function readScript(scheduler: Scheduler, source: ScriptSource): ReadyScript | Refusal {
  const { call, options, name } = source;
  const isInteractive = isGiven(options, 'interact');
  const text =
    name === undefined
      ? isInteractive
        ? ''
        : call.stdin
      : call.files.read(resolvePath(call.folder, name));
  // 2 is ENOENT.
  if (text === undefined) return { code: 20, text: `File open failed: ${name ?? 'STDIN'} (2).` };
  const shownName = name === undefined ? 'STDIN' : baseName(name);
  if (text.includes('\0')) return { code: 22, text: `File format error: ${shownName}.` };
  const prefix = lastValue(options, 'dir-prefix');
  const fromScript = readScriptOptions(text, shownName, prefix);
  if ('code' in fromScript) return fromScript;
  for (const { code, text: warning, place } of fromScript.warnings)
    call.stderr(renderMessage('WARN', code, 'pjsub', `${warning} ${place ?? ''}`.trim()));
  if (isGiven(options, 'verbose'))
    for (const flag of foreignOptions([...fromScript.options, ...options])) {
      const warning = `The option is ignored in the use environment: ${flag}.`;
      call.stderr(renderMessage('WARN', 29, 'pjsub', warning));
    }
  const clash = checkCombinations(fromScript.options) ?? checkCombinations(options);
  if (clash) return clash;
  const merged = new MergedOptions(fromScript.options, options);
  const { options: settings, localTime, clock } = scheduler;
  const scriptName = isInteractive && name === undefined ? 'STDIN' : shownName;
  const spec = readJobSpec({
    call,
    merged,
    scriptName,
    scriptText: text,
    options: settings,
    localTime,
    now: clock.now(),
  });
  if ('code' in spec) return spec;
  const { resourceGroup } = spec;
  if (scheduler.faults.closedGroups.includes(resourceGroup))
    return { code: 59, text: `rscgrp=${resourceGroup} is disabled.` };
  return { spec, text, merged };
}

async function submitScripts(
  scheduler: Scheduler,
  call: CommandCall,
  scripts: readonly ReadyScript[],
): Promise<number> {
  const refusal = checkPlace(scheduler, call);
  const [first] = scripts;
  if (refusal) return refuseJob(call, refusal);
  if (!first) return 1;
  if (first.merged.has('bulk')) return submitBulk(scheduler, call, first);
  if (first.merged.has('step')) return submitSteps(scheduler, call, scripts);
  if (first.merged.has('interact')) return runInteractive(scheduler, call, first);
  const jobId = scheduler.jobs.reserveId();
  const scriptPath = writeCopy(call, first.text, scriptCopyPath(call.folder, jobId));
  if (typeof scriptPath !== 'string') return refuseJob(call, scriptPath);
  const job = scheduler.jobs.add(
    { jobId, part: { kind: 'normal' }, spec: first.spec, scriptPath },
    scheduler.clock.now(),
  );
  acceptJobs(scheduler, call, { script: first, jobs: [job], shown: [job] });
  return 0;
}

/** The folder, the site's own rules and the number of jobs. */
function checkPlace(scheduler: Scheduler, call: CommandCall): Refusal | undefined {
  const { faults, options, jobs } = scheduler;
  if (!call.files.isFolder(call.folder))
    return { code: 26, text: 'Current working directory access failed.' };
  if (call.folder.includes('\n'))
    return { code: 27, text: 'Current working directory path contains a newline character.' };
  if (faults.submitRefusal !== undefined) return { code: 79, text: faults.submitRefusal };
  const live = jobs.countLive(call.user);
  if (live.jobs >= options.acceptLimit)
    return { code: 72, text: 'Job exceeded the accept limit: ru-accept.' };
  if (live.subJobs >= options.subJobLimit)
    return { code: 72, text: 'Job exceeded the accept limit: ru-accept-allsubjob.' };
  return undefined;
}
