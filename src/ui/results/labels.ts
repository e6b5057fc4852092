// The words of the results view in the editor's language.
import * as vscode from 'vscode';
import type { Labels } from '../../webview/protocol';

export function resultLabels(): Labels {
  const t = vscode.l10n.t;
  return {
    id: t('id'),
    prompt: t('prompt'),
    answer: t('answer'),
    reasoning: t('thinking'),
    notes: t('note'),
    finishReason: t('end'),
    tokens: t('tokens'),
    seconds: t('seconds'),
    answered: t('answered'),
    failed: t('failed'),
    total: t('total'),
    tokensPerSecond: t('tokens/s'),
    search: t('Search prompts and answers'),
    errorsOnly: t('Failed only'),
    exportCsv: t('Export CSV'),
    openFile: t('Open JSONL'),
    copyAnswer: t('Copy Answer'),
    copied: t('Copied'),
    close: t('Close'),
    error: t('failed'),
    shownRows: t('{0} of {1} rows', '{0}', '{1}'),
    noMatch: t('No record matches.'),
    empty: t('There is no record yet.'),
    malformed: t('{0} lines could not be read', '{0}'),
    torn: t('The last line is not complete yet.'),
    table: t('Results'),
    detail: t('One record'),
    loading: t('Loading...'),
    finishReasons: { stop: t('complete'), length: t('cut at the limit') },
    noteTexts: {
      redone_in_float32: t('computed again in float32'),
      ended_inside_thinking: t('cut while thinking'),
    },
  };
}
