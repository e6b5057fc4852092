// Words for the failures of sync/.
import type { SyncFailureReason } from '../sync/failures';
import type { FailureWords } from './failureText';

export const syncFailureWords: Readonly<Record<SyncFailureReason, FailureWords>> = {
  localFolderMissing: {
    text: (t, v) => t('The folder {0} is not there any more. Nothing was sent.', v('path')),
    actions: [],
  },
  localUnreadable: {
    text: (t, v) => t('{0} cannot be read ({1}). Nothing was submitted.', v('path'), v('detail')),
    actions: ['tryAgain', 'showLog'],
  },
  remoteBusy: {
    text: (t, v) =>
      t(
        'Nothing was submitted: the project on the machine ({0}) kept changing while it was synced, maybe by another window. Try again when that one is done.',
        v('path'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  remoteNotWritable: {
    text: (t, v) =>
      t(
        'Nothing was submitted: you may not write to {0} on the machine ({1}). Choose another remote folder, for example /data/group1/USER/furo.',
        v('path'),
        v('detail') || t('no reason given'),
      ),
    actions: ['openSettings', 'showLog'],
  },
  remoteInTheWay: {
    text: (t, v) =>
      t(
        'Nothing was submitted: a file on the machine stands where a folder must be, in {0} ({1}). Rename or remove that file there, or choose another remote folder, and try again.',
        v('path'),
        v('detail'),
      ),
    actions: ['tryAgain', 'openSettings'],
  },
  tooManyFiles: {
    text: (t, v) =>
      t(
        'This folder has {0} files, more than the {1} that are synced; most are in {2}. Nothing was sent. Leave data out with a .furoignore file or furo.sync.exclude.',
        v('files'),
        v('maxFiles'),
        v('largest'),
      ),
    actions: ['openSettings'],
  },
  tooManyBytes: {
    text: (t, v) =>
      t(
        'This folder has {0} MB, more than the {1} MB that are synced; most are in {2}. Nothing was sent. Leave data out with a .furoignore file or furo.sync.exclude.',
        v('megabytes'),
        v('maxMegabytes'),
        v('largest'),
      ),
    actions: ['openSettings'],
  },
  nameNotPortable: {
    text: (t, v) =>
      t(
        'The name of {0} cannot be used on the machine: it has control characters, more than 255 bytes, or is not UTF-8. Rename it, or leave it out with .furoignore.',
        v('path'),
      ),
    actions: [],
  },
  namesCollide: {
    text: (t, v) =>
      t(
        '{0} and {1} have the same name on the machine, so one would replace the other. Nothing was sent. Rename one, or leave it out with .furoignore.',
        v('path'),
        v('other'),
      ),
    actions: [],
  },
  manifestUnreadable: {
    text: (t, v) =>
      t(
        '{0} was not written by this version ({1}), so nothing was changed. Update the extension.',
        v('path'),
        v('detail'),
      ),
    actions: ['showLog'],
  },
};
