// Words for a connection check: what each step is called, what it found, and what helps when it failed.
import type { FailureValues } from '../base/failure';
import type { CheckedStep, CheckFinding, CheckStep } from '../jobs/checkResult';
import { failureText } from './failureText';
import type { Translate } from './translate';

export function stepTitle(step: CheckStep, t: Translate): string {
  switch (step) {
    case 'settings':
      return t('Settings');
    case 'name':
      return t('Name of the machine');
    case 'port':
      return t('Port');
    case 'hostKey':
      return t('Host key');
    case 'login':
      return t('Login');
    case 'shell':
      return t('Login shell');
    case 'sftp':
      return t('File transfer (SFTP)');
    case 'pjm':
      return t('Batch system (PJM)');
    case 'folder':
      return t('Remote folder');
    case 'space':
      return t('Free space');
    case 'clock':
      return t('Clock');
  }
}

interface FindingWords {
  readonly text: (t: Translate, v: (key: string) => string) => string;
  readonly remedy?: (t: Translate, v: (key: string) => string) => string;
}

const findings: Readonly<Record<CheckFinding, FindingWords>> = {
  settingsRead: {
    text: (t, v) => t('Settings and ssh configuration lead to {0}, port {1}, as {2}.', v('host'), v('port'), v('user')), // prettier-ignore
  },
  nameFound: { text: (t, v) => t('{0} has the address {1}.', v('host'), v('addresses')) },
  reachedByProxy: {
    text: (t, v) => t('{0} is reached through another machine or program of your ssh configuration, so it is not looked up here.', v('host')), // prettier-ignore
  },
  connectedAlready: {
    text: (t, v) => t('Not tried anew: this window is connected to {0}.', v('host')),
  },
  portAnswers: {
    text: (t, v) => t('Port {0} answers and calls itself {1}.', v('port'), v('banner')),
  },
  hostKeyKnown: {
    text: (t, v) => t('The key of {0} is the one that you trust.', v('host')),
  },
  loggedIn: { text: (t, v) => t('Logged in to {1} as {0}.', v('user'), v('host')) },
  shellQuiet: {
    text: (t, v) => t('{0} runs commands and prints nothing of its own.', shellOf(v)),
  },
  shellNoisy: {
    text: (t, v) => t('{0} runs commands, but its start-up files print: {1}', shellOf(v), v('line')), // prettier-ignore
    remedy: (t) => t('Print only in interactive shells: begin ~/.bashrc there with:  [ -z "$PS1" ] && return'), // prettier-ignore
  },
  shellSlow: {
    text: (t, v) => t('{0} takes {1} s to start, and every command waits for it.', shellOf(v), v('seconds')), // prettier-ignore
    remedy: (t) => t('Look into ~/.bashrc there: conda, module load and network folders are the usual causes.'), // prettier-ignore
  },
  sftpWorks: { text: (t) => t('Files can be sent and fetched.') },
  pjmAnswers: { text: (t, v) => t('{0} is there, and PJM answers.', v('path')) },
  folderWritable: { text: (t, v) => t('{0} can be written and read.', v('folder')) },
  folderCreated: {
    text: (t, v) => t('{0} was made now and can be written and read.', v('folder')),
  },
  spaceEnough: {
    text: (t, v) =>
      v('used') === ''
        ? t('{0} GiB are free on the file system of {1}.', v('free'), v('folder'))
        : t('{0} GiB are free on the file system of {1}; {2} % of your quota are used.', v('free'), v('folder'), v('used')), // prettier-ignore
  },
  spaceLow: {
    text: (t, v) => t('Only {0} GiB are free on the file system of {1}.', v('free'), v('folder')),
    remedy: (t) => t('Remove old results there, or choose another remote folder.'),
  },
  quotaLow: {
    text: (t, v) => t('{1} % of your quota are used where {0} is.', v('folder'), v('used')),
    remedy: (t) => t('Remove old results there, or choose another remote folder.'),
  },
  spaceUnknown: {
    text: (t, v) => t('The machine does not tell how much room {0} has.', v('folder')),
  },
  clockAgrees: { text: (t) => t('The clocks of the machine and of this computer agree.') },
  clockDiffers: {
    text: (t, v) =>
      Number(v('seconds')) > 0
        ? t('The clock of this computer is {0} s behind that of the machine.', v('seconds'))
        : t('The clock of this computer is {0} s ahead of that of the machine.', v('seconds').slice(1)), // prettier-ignore
    remedy: (t) => t('Let this computer set its clock by itself; one-time codes and shown times depend on it.'), // prettier-ignore
  },
  clockUnknown: { text: (t) => t('The machine did not tell its time.') },
};

function shellOf(v: (key: string) => string): string {
  return v('shell') === '' ? 'sh' : v('shell');
}

/** What helps when a step fails, beside what the failure itself says. */
function stepRemedy(step: CheckStep, t: Translate): string {
  switch (step) {
    case 'settings':
      return t('Choose the host anew, or correct the settings of the connection.');
    case 'name':
      return t('Try the same name in a browser or with  ssh -G NAME  in a terminal; a name inside the campus may need the VPN.'); // prettier-ignore
    case 'port':
      return t('Try  ssh NAME  in a terminal. If that fails too, it is the network: try another one, or the VPN.'); // prettier-ignore
    case 'hostKey':
      return t('Compare the fingerprint with the one that the computer centre publishes before you do anything else.'); // prettier-ignore
    case 'login':
      return t('Try  ssh -v NAME  in a terminal: where that logs in with the same user and key, this will, too.'); // prettier-ignore
    case 'shell':
      return t('The account seems to have no shell, or its start-up files end it. Ask the computer centre, or look into ~/.bashrc there.'); // prettier-ignore
    case 'sftp':
      return t('Start-up files that print something break it, or the server has it switched off. Ask the computer centre.'); // prettier-ignore
    case 'pjm':
      return t('Batch jobs start on a login node of Type II only. If it is one, PJM may be down for maintenance.'); // prettier-ignore
    case 'folder':
      return t('Choose a remote folder of your own, for example /data/group1/USER/furo.');
    case 'space':
      return t('Remove old results there, or choose another remote folder.');
    case 'clock':
      return t('Let this computer set its clock by itself; one-time codes and shown times depend on it.'); // prettier-ignore
  }
}

const remedies: Readonly<
  Record<string, ((t: Translate, v: (key: string) => string) => string) | undefined>
> = {
  hostKeyChanged: (t, v) => t('Ask the computer centre. Only if the new key is right, remove the old one:  ssh-keygen -f "{1}" -R "{0}"', v('name'), v('file')), // prettier-ignore
  hostKeyRejected: (t) => t('Check again, and choose Trust and Connect when the fingerprint is the published one.'), // prettier-ignore
  tooManyLogins: (t) => t('Wait that long, then check again.'),
  keyExchangeUnshared: otherNode,
  hostKeyTypeUnshared: otherNode,
  cipherUnshared: otherNode,
  noKey: newKey,
  securityKeyUnsupported: newKey,
  certificateUnsupported: newKey,
  signatureTooWeak: newKey,
  methodUnsupported: otherNode,
  agentRefused: (t) => t('Unlock the agent or confirm its question, then check again. What it holds is shown by:  ssh-add -l'), // prettier-ignore
  answerTooLate: (t) => t('Check again and answer within two minutes; have the code at hand first.'), // prettier-ignore
  loginUnanswered: (t) => t('Try again later, choose another login node, or ask the computer centre.'), // prettier-ignore
  loginGivenUp: (t) => t('Check again and answer the question.'),
  passwordExpired: (t) => t('Log in with  ssh NAME  in a terminal first, then check again.'),
  passphraseRefused: (t) => t('Check again and enter the passphrase, or load the key once:  ssh-add'), // prettier-ignore
};

function newKey(t: Translate): string {
  return t(
    'Make a key with  ssh-keygen -t ed25519  and register its public half in the HPC portal.',
  );
}

function otherNode(t: Translate): string {
  return t('Choose another login node, or ask the computer centre; only they can change this one.');
}

/** One sentence about a step, empty when it was not reached, and what to do where it did not simply work. */
export function checkedStepText(
  { step, finding, values = {}, failure }: CheckedStep,
  t: Translate,
): { text: string; remedy: string | undefined } {
  if (failure) {
    const v = reader(failure.values);
    const onTheWay =
      'jumpHost' in failure.values
        ? t(
            'Try  ssh {0}  in a terminal: the way to {1} begins there.',
            v('jumpHost'),
            v('onWayTo'),
          )
        : undefined;
    const remedy = remedies[failure.reason]?.(t, v) ?? onTheWay ?? stepRemedy(step, t);
    return { text: failureText(failure, t).message, remedy };
  }
  if (!finding) return { text: '', remedy: undefined };
  const words = findings[finding];
  return { text: words.text(t, reader(values)), remedy: words.remedy?.(t, reader(values)) };
}

function reader(values: FailureValues): (key: string) => string {
  return (key) => String(values[key] ?? '');
}
