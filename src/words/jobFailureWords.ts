// Words for the failures of jobs/.
import type { JobFailureReason } from '../jobs/failures';
import { environmentFailureWords } from './environmentWords';
import type { FailureWords } from './failureText';
import { kindText } from './problemText';

export const jobFailureWords: Readonly<Record<JobFailureReason, FailureWords>> = {
  ...environmentFailureWords,
  doesNotFit: {
    text: (t, v) =>
      t('{0} was not submitted: it does not fit {1}. {2}', v('job'), v('group'), v('detail')) +
      (v('fitting') === '' ? '' : ` ${t('The smallest that fits: {0}', v('fitting'))}`),
    actions: ['submitAnyway', 'openWorkflow'],
  },
  planOnlyForInference: {
    text: (t, v) => t('{0} is no inference, so there is nothing to plan.', v('job')),
    actions: [],
  },
  planUnavailable: {
    text: (t, v) =>
      t(
        'There is no plan: {0} A plan needs Python 3.10 or newer on the login node and the model in its cache.',
        v('detail'),
      ),
    actions: ['showLog'],
  },
  settingsMissing: {
    text: (t, v) =>
      t(
        'Furo Workflows needs these settings first: {0}. They belong to your computer, not to the project.',
        v('keys'),
      ),
    actions: ['openSettings'],
  },
  settingInvalid: {
    text: (t, v) =>
      t(
        'The setting {0} has a value that cannot be used (expected: {1}).',
        v('key'),
        kindText(v('expected'), t),
      ),
    actions: ['openSettings'],
  },
  remoteFolderUnusable: {
    text: (t, v) =>
      t(
        'Nothing was submitted: the remote folder {0} cannot be used. {1} Choose a folder that you may write to, for example /data/group1/USER/furo.',
        v('folder'),
        v('detail'),
      ),
    actions: ['openSettings', 'showLog'],
  },
  modelMissing: {
    text: (t, v) =>
      t(
        'The job {0} names no model. Enter one in the settings (furo.inference.model) or in furo.yaml.',
        v('job'),
      ),
    actions: ['openSettings'],
  },
  inputMissing: {
    text: (t, v) =>
      t(
        'The job {0} names no input file. Enter a .jsonl file under inference.input in furo.yaml.',
        v('job'),
      ),
    actions: ['openSettings'],
  },
  inputNotFound: {
    text: (t, v) => t('The file {0} is not in this folder. Nothing was sent.', v('path')),
    actions: [],
  },
  inputSpelledOtherwise: {
    text: (t, v) =>
      t(
        'There is no {0} in this folder, but there is {1}. Nothing was sent. Write the name exactly so: the machine tells capital from small letters.',
        v('path'),
        v('found'),
      ),
    actions: [],
  },
  inputOutside: {
    text: (t, v) =>
      t(
        '{0} is not a file inside this folder: the path, or a link in it, leads out of the folder, in a circle or nowhere. Nothing was submitted. Use a file inside the folder, with a path such as data/questions.jsonl.',
        v('path'),
      ),
    actions: [],
  },
  inputNeverSent: {
    text: (t, v) =>
      t(
        '{0} cannot be used by a job, because {1} is never sent to the machine. Nothing was sent. Move the file to another folder or give it another name.',
        v('path'),
        v('name'),
      ),
    actions: [],
  },
  inputChangedThere: {
    text: (t, v) =>
      t(
        'Nothing was submitted: {0} was changed on the machine and not here, so it stays there as it is ({1}). To use it, copy it here; to use the one here, remove the one there. Then try again.',
        v('path'),
        v('there'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  inputBlockedThere: {
    text: (t, v) =>
      t(
        'Nothing was submitted: {0} was not sent, because a link or a folder on the machine has its name, or a file that of a folder above it ({1}). Remove or rename that one and try again.',
        v('path'),
        v('there'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  inputEmpty: {
    text: (t, v) =>
      t('{0} holds no record. Nothing was sent. Write one JSON object on each line.', v('path')),
    actions: ['openFile'],
  },
  inputMalformed: {
    text: (t, v) =>
      t(
        '{0}, line {1} is not a JSON object: {2}. Nothing was sent.',
        v('path'),
        v('line'),
        v('detail'),
      ),
    actions: ['openFile'],
  },
  inputDuplicateId: {
    text: (t, v) =>
      t(
        '{0}, line {1} has the id "{2}", as line {3} has. Nothing was sent. Give each record an id of its own.',
        v('path'),
        v('line'),
        v('id'),
        v('firstLine'),
      ),
    actions: ['openFile'],
  },
  jobInvalid: {
    text: (t, v) => t('{0} was not submitted, because it has a mistake: {1}', v('job'), v('first')),
    actions: ['openFile', 'openSettings'],
  },
  alreadyRunning: {
    text: (t, v) =>
      t(
        'The job {0} is already in the queue or running (job {1}) and writes the same results. Wait for it or cancel it first.',
        v('job'),
        v('pjmId'),
      ),
    actions: [],
  },
  snapshotChanged: {
    text: (t, v) =>
      t(
        'Nothing was submitted: {0} in the project folder on the machine changed while it was being submitted. Stop what writes to it there, then try again.',
        v('path'),
      ),
    actions: ['showLog'],
  },
  snapshotFailed: {
    text: (t, v) =>
      t(
        'The files of the job could not be frozen in {0} on the machine: {1}',
        v('folder'),
        v('detail'),
      ),
    actions: ['showLog'],
  },
  submitRefused: {
    text: (t, v) => t('pjsub refused the job. It says: {0}', v('text')),
    actions: ['showLog'],
  },
  submitUnclear: {
    text: (t, v) =>
      t(
        'pjsub neither accepted nor refused the job. It printed: {0} Look at pjstat on the machine before you submit again.',
        v('text'),
      ),
    actions: ['showLog'],
  },
  submitLost: {
    text: (t, v) =>
      t(
        'The connection broke while {0} was submitted. The job is not submitted twice: when the connection is back, it is looked up.',
        v('job'),
      ),
    actions: ['showLog'],
  },
  commandMissing: {
    text: (t, v) =>
      t(
        'There is no {0} on the machine (PATH there: {1}). Is the host a login node of Furo Type II?',
        v('command'),
        v('path'),
      ),
    actions: ['openSettings', 'showLog'],
  },
  commandFailed: {
    text: (t, v) => t('{0} failed on the machine. It says: {1}', v('command'), v('text')),
    actions: ['showLog'],
  },
  otherMachine: {
    text: (t, v) =>
      t(
        '{0} is a job of {1}, but the settings name another machine now. Set the connection back to reach it.',
        v('job'),
        v('target'),
      ),
    actions: ['openSettings'],
  },
  cancelRefused: {
    text: (t, v) => t('Job {0} could not be cancelled. pjdel says: {1}', v('pjmId'), v('text')),
    actions: ['showLog'],
  },
  runtimeMissing: {
    text: (t, v) =>
      t(
        'This installation is incomplete: {0} is missing. Install the extension again.',
        v('folder'),
      ),
    actions: ['showLog'],
  },
  resultsMissing: {
    text: (t, v) => t('There are no results of {0} in the folder furo-results.', v('job')),
    actions: ['showLog'],
  },
  jobUnknown: {
    text: (t, v) => t('There is no job {0} in the list.', v('id')),
    actions: [],
  },
  historyUnreadable: {
    text: (t, v) =>
      t(
        'The list of jobs was written by another version ({0}) and is left as it is. Update the extension.',
        v('version'),
      ),
    actions: ['showLog'],
  },
};
