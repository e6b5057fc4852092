// Words for the failures of ui/.
import type { UiFailureReason } from '../ui/failures';
import type { FailureWords } from './failureText';

export const uiFailureWords: Readonly<Record<UiFailureReason, FailureWords>> = {
  noFolder: {
    text: (t) =>
      t(
        'No folder is open. Open the folder with your prompts and programs: its files are what is sent to Furo.',
      ),
    actions: ['openFolder'],
  },
  folderNotLocal: {
    text: (t, v) =>
      t(
        'The files of this window are on another machine ({0}). Open the folder on this computer to run it on Furo.',
        v('scheme'),
      ),
    actions: ['openFolder'],
  },
  notTrusted: {
    text: (t) =>
      t('This folder is in Restricted Mode, so nothing connects or runs. Trust the folder first.'),
    actions: ['manageTrust'],
  },
  noFile: {
    text: (t) =>
      t('No file is chosen. Right-click a .jsonl, .py, .sh or furo.yaml file, or open one.'),
    actions: [],
  },
  fileOutsideFolder: {
    text: (t, v) =>
      t(
        '{0} is not in the open folder, so it would not be synced. Move it there or open its folder.',
        v('path'),
      ),
    actions: ['openFolder'],
  },
  fileNotRunnable: {
    text: (t, v) =>
      t(
        '{0} is not something that can be run: choose a .jsonl, .py, .sh or furo.yaml file.',
        v('path'),
      ),
    actions: [],
  },
  noDirectives: {
    text: (t, v) =>
      t(
        '{0} has no #PJM lines, so PJM would not know where to run it. Type "pjm" at its top for a template.',
        v('path'),
      ),
    actions: ['openFile'],
  },
  cannotRunAgain: {
    text: (t, v) =>
      t(
        '{0} cannot be run again from the list. Right-click its file and choose Run on Furo.',
        v('job'),
      ),
    actions: [],
  },
};
