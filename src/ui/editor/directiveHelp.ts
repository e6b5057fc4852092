// Completion and hover on `#PJM` lines, from the option catalogue and the table of groups.
import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../../base/disposable';
import { isDirectiveLine, parseDirectiveLine } from '../../pjm/directive';
import { renderElapse } from '../../pjm/elapse';
import { furoGroups } from '../../pjm/furo';
import { findResourceKey, pjsubOptions, resourceKeys } from '../../pjm/optionCatalog';
import type { ResourceGroup } from '../../pjm/resourceGroup';
import { toRange } from './diagnostics';

const selector: vscode.DocumentSelector = { language: 'shellscript' };

export function registerDirectiveHelp(): Disposable {
  const disposables = new DisposableStore();
  const completion = { provideCompletionItems: complete };
  disposables.add(
    vscode.languages.registerCompletionItemProvider(selector, completion, ' ', '=', ',', '-', '"'),
  );
  disposables.add(vscode.languages.registerHoverProvider(selector, { provideHover: hover }));
  return disposables;
}

function complete(
  document: vscode.TextDocument,
  position: vscode.Position,
): vscode.CompletionItem[] | undefined {
  const before = document.lineAt(position).text.slice(0, position.character);
  if (!isDirectiveLine(before)) return undefined;
  if (/rscgrp=[\w-]*$|\brg=[\w-]*$/.test(before)) return furoGroups.map(groupCompletion);
  if (/(?:-L|--rsc-list)[\s=]+"?(?:[^"\s]*,\s*)?[\w-]*$/.test(before))
    return resourceKeys.map(({ key, help }) =>
      item(`${key}=`, help, vscode.CompletionItemKind.Property),
    );
  if (!/\s-*[\w-]*$/.test(before)) return undefined;
  const typed = /-[\w-]*$/.exec(before)?.[0] ?? '';
  const range = new vscode.Range(position.translate(0, -typed.length), position);
  return pjsubOptions
    .filter(({ isForScript }) => isForScript)
    .flatMap(({ flags, help }) =>
      flags.map((flag) => {
        const completion = item(flag, help, vscode.CompletionItemKind.Keyword);
        completion.range = range;
        return completion;
      }),
    );
}

function groupCompletion(group: ResourceGroup): vscode.CompletionItem {
  return item(group.name, groupText(group), vscode.CompletionItemKind.EnumMember);
}

function item(
  label: string,
  detail: string,
  kind: vscode.CompletionItemKind,
): vscode.CompletionItem {
  const completion = new vscode.CompletionItem(label, kind);
  completion.detail = detail;
  return completion;
}

function groupText({ isShared, minNodes, maxNodes, maxElapseSeconds }: ResourceGroup): string {
  const t = vscode.l10n.t;
  const size = isShared
    ? t('1 GPU of a shared node')
    : t('{0} to {1} nodes of 4 GPUs', minNodes, maxNodes);
  const limit =
    maxElapseSeconds === undefined
      ? t('no time limit')
      : t('up to {0}', renderElapse(maxElapseSeconds));
  return `${size}, ${limit}`;
}

function hover(document: vscode.TextDocument, position: vscode.Position): vscode.Hover | undefined {
  const text = document.lineAt(position).text;
  if (!isDirectiveLine(text)) return undefined;
  const { directives } = parseDirectiveLine(text, position.line);
  const directive = directives.find(({ range }) => toRange(range).contains(position));
  if (!directive?.option) return undefined;
  const { option, valueRange } = directive;
  const word = document.getText(document.getWordRangeAtPosition(position, /[\w-]+/));
  const isInValue = valueRange !== undefined && toRange(valueRange).contains(position);
  const group = isInValue ? furoGroups.find(({ name }) => name === word) : undefined;
  const key = isInValue ? findResourceKey(word) : undefined;
  const help = group ? groupText(group) : (key?.help ?? option.help);
  const title = group?.name ?? (key ? `-L ${key.key}=` : option.flags.join(', '));
  // Title and help are our own words without Markdown; appendText would escape inside the code span.
  return new vscode.Hover(new vscode.MarkdownString(`\`${title}\`\n\n${help}`));
}
