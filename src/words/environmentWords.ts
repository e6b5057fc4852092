// Words for the set-up of the conda environment: its failures, what is wrong with one, what is there.
import type { EnvironmentFailureReason } from '../jobs/failures';
import type { EnvironmentProblem, EnvironmentReport } from '../jobs/environmentSetupCheck';
import type { FailureWords } from './failureText';
import type { Translate } from './translate';

export const environmentFailureWords: Readonly<Record<EnvironmentFailureReason, FailureWords>> = {
  condaMissing: {
    text: (t) =>
      t(
        'There is no conda in ~/miniconda3 on the machine, where jobs look for it. Install Miniconda there, then try again.',
      ),
    actions: ['tryAgain', 'showLog'],
  },
  condaElsewhere: {
    text: (t, v) =>
      t(
        'conda is in {0}, but jobs look for it in ~/miniconda3. Run there: ln -s {0} ~/miniconda3',
        v('folder'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  environmentNameUnusable: {
    text: (t, v) =>
      t(
        '"{0}" cannot be set up as a conda environment: letters, digits, dot, dash and underscore, and not base. See furo.job.condaEnvironment.',
        v('name'),
      ),
    actions: ['openSettings'],
  },
  environmentNoSpace: {
    text: (t, v) =>
      t(
        'There is not enough room for the environment below {0} ({1}). Free some space or quota there, or choose another remote folder. The earlier environment was not touched.',
        v('folder'),
        v('detail'),
      ),
    actions: ['tryAgain', 'openSettings'],
  },
  environmentNoNetwork: {
    text: (t, v) =>
      t(
        'conda or pip could not reach the network from the login node: {0} Try again later; behind a proxy, set HTTPS_PROXY in ~/.bashrc there.',
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  environmentNoVersion: {
    text: (t, v) =>
      t(
        'conda or pip found no version that fits: {0} The system there may be too old for it, or the package was withdrawn; the log has every line.',
        v('detail'),
      ),
    actions: ['showLog'],
  },
  environmentFailed: {
    text: (t, v) =>
      t(
        'The environment {0} could not be set up (step {1}): {2} The earlier one, if there was one, is still in place.',
        v('name'),
        v('step'),
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  environmentInterrupted: {
    text: (t, v) =>
      t(
        'The set-up of the environment {0} was cut off on the machine. Nothing that jobs use was changed; trying again removes what is left of it.',
        v('name'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  environmentWrong: {
    text: (t, v) =>
      t(
        'The new environment {0} was made but failed its check, so it was not taken: {1} The earlier one, if there was one, is still in place.',
        v('name'),
        problemsOf(v('problems'), t),
      ),
    actions: ['showLog'],
  },
};

/** Problems that came as JSON in a failure. */
function problemsOf(text: string, t: Translate): string {
  try {
    return environmentProblemsText(JSON.parse(text) as readonly EnvironmentProblem[], t);
  } catch {
    return text;
  }
}

/** All that is wrong with an environment, one sentence each. */
export function environmentProblemsText(
  problems: readonly EnvironmentProblem[],
  t: Translate,
): string {
  return problems.map((problem) => problemText(problem, t)).join(' ');
}

function problemText(problem: EnvironmentProblem, t: Translate): string {
  switch (problem.code) {
    case 'pythonBroken':
      return t('Its Python does not run: {0}', problem.detail);
    case 'packageMissing':
      return t('{0} {1} is missing.', problem.package, problem.wanted);
    case 'packageVersion':
      return t('{0} is {1} instead of {2}.', problem.package, problem.found, problem.wanted);
    case 'importFails':
      return t('{0} cannot be loaded ({1}).', problem.package, problem.detail);
    case 'kernelsMissing':
      return problem.found === ''
        ? t('torch is a build without GPU support.')
        : t('torch has no kernels for the V100 ({0}), only for {1}.', problem.architecture, problem.found); // prettier-ignore
    case 'packagesDisagree':
      return t('Packages do not fit together: {0}', problem.detail);
  }
}

/** What a good environment holds, in one line. */
export function environmentText(name: string, report: EnvironmentReport, t: Translate): string {
  const packages = Object.entries(report.packages).map(([key, version]) => `${key} ${version}`);
  const text = t(
    'The environment {0} is ready: Python {1}, {2}.',
    name,
    report.python,
    packages.join(', '),
  );
  return report.cuda === undefined
    ? text
    : `${text} ${t('torch is built for CUDA {0} with kernels for {1}.', report.cuda, report.architectures.join(' '))}`; // prettier-ignore
}
