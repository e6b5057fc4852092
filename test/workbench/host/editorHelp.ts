// Problems, completion, hover and snippets in real documents.
import assert from 'node:assert/strict';
import { suite, teardown, test } from 'mocha';
import * as vscode from 'vscode';
import { furoGroups } from '../../../src/pjm/furo';
import { closeEditors, ourDiagnostics, until, workspaceFile, writeText } from './host';

async function openScript(...lines: string[]): Promise<vscode.TextDocument> {
  const content = ['#!/bin/bash', ...lines].join('\n');
  const document = await vscode.workspace.openTextDocument({ language: 'shellscript', content });
  await vscode.window.showTextDocument(document);
  return document;
}

async function labelsAt(document: vscode.TextDocument, line: number): Promise<string[]> {
  const list = await vscode.commands.executeCommand<vscode.CompletionList>(
    'vscode.executeCompletionItemProvider',
    document.uri,
    document.lineAt(line).range.end,
  );
  return list.items.map(({ label }) => (typeof label === 'string' ? label : label.label));
}

/** The Markdown of our hover on the first `word` of a line. */
async function hoverOn(document: vscode.TextDocument, line: number, word: string): Promise<string> {
  const column = document.lineAt(line).text.indexOf(word) + 1;
  const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
    'vscode.executeHoverProvider',
    document.uri,
    new vscode.Position(line, column),
  );
  return hovers
    .flatMap(({ contents }) => contents as vscode.MarkdownString[])
    .map(({ value }) => value)
    .join('\n');
}

suite('editor help', () => {
  teardown(closeEditors);

  test('a batch script with a wrong group has a problem at its place', async () => {
    const document = await openScript('#PJM -L rscgrp=cx-shar', '#PJM -L elapse=1:00:00', 'true');
    const problems = await until('a problem', () => {
      const found = ourDiagnostics(document.uri);
      return found.length > 0 ? found : undefined;
    });
    const first = problems[0]!;
    assert.equal(first.range.start.line, 1);
    assert.match(document.getText(first.range), /cx-shar$/);
    assert.equal(first.severity, vscode.DiagnosticSeverity.Error);
    assert.match(first.message, /cx-shar/);
  });

  test('the problem goes when the text is corrected', async () => {
    const document = await openScript('#PJM -L rscgrp=cx-shar', '#PJM -L elapse=1:00:00', 'true');
    await until('a problem', () => ourDiagnostics(document.uri)[0]);
    const edit = new vscode.WorkspaceEdit();
    edit.insert(document.uri, document.lineAt(1).range.end, 'e');
    await vscode.workspace.applyEdit(edit);
    await until('no problem', () => ourDiagnostics(document.uri).length === 0 || undefined);
  });

  test('a furo.yaml with an unknown key has a problem at its line', async () => {
    const file = workspaceFile('bad/furo.yaml');
    const lines = ['version: 1', 'jobs:', '  one:', '    elapsed: "1:00:00"', '    script: a.sh'];
    await writeText(file, lines.join('\n'));
    await vscode.window.showTextDocument(file);
    const problem = await until('a problem', () => ourDiagnostics(file)[0]);
    assert.equal(problem.code, 'keyUnknown');
    assert.equal(problem.range.start.line, 3);
    assert.match(problem.message, /elapsed/);
  });

  test('our own examples have no problems', async () => {
    const scripts = await vscode.workspace.fs.readDirectory(workspaceFile('scripts'));
    const names = scripts.map(([name]) => `scripts/${name}`).filter((name) => name.endsWith('.sh'));
    assert.ok(names.length >= 3);
    const files = ['furo.yaml', ...names].map(workspaceFile);
    for (const file of files) await vscode.window.showTextDocument(file);
    // Problems of an opened document are computed at once; a wrong script shows that they are now there.
    const wrong = await openScript('#PJM -L rscgrp=nowhere');
    await until('a problem', () => ourDiagnostics(wrong.uri)[0]);
    for (const file of files) assert.deepEqual(ourDiagnostics(file), [], file.path);
  });

  test('completion after rscgrp= offers every group', async () => {
    const document = await openScript('#PJM -L rscgrp=');
    const labels = await labelsAt(document, 1);
    const missing = furoGroups.filter(({ name }) => !labels.includes(name));
    assert.deepEqual(missing, []);
  });

  test('completion after -L offers the resources, after # PJM the options', async () => {
    const document = await openScript('#PJM -L ', '#PJM -');
    const resources = await labelsAt(document, 1);
    for (const key of ['rscgrp=', 'gpu=', 'node=', 'elapse='])
      assert.ok(resources.includes(key), key);
    const options = await labelsAt(document, 2);
    for (const flag of ['-L', '-j', '-S', '--mpi']) assert.ok(options.includes(flag), flag);
  });

  test('there is no completion of ours outside of #PJM lines', async () => {
    const document = await openScript('echo rscgrp=');
    assert.ok(!(await labelsAt(document, 1)).includes('cx-share'));
  });

  test('hover tells what a group is', async () => {
    const document = await openScript('#PJM -L rscgrp=cx-share');
    const text = await hoverOn(document, 1, 'cx-share');
    assert.match(text.replaceAll('&nbsp;', ' '), /1 GPU of a shared node/);
    // Backslashes are no escapes inside a code span: they would be seen.
    assert.match(text, /`cx-share`/);
  });

  test('hover tells what an option is', async () => {
    const document = await openScript('#PJM -j', '#PJM -L elapse=1:00:00');
    assert.match(await hoverOn(document, 1, '-j'), /`-j/);
    assert.match(await hoverOn(document, 2, 'elapse'), /`-L elapse=`/);
  });

  test('the snippets are offered', async () => {
    const script = await openScript('pjm');
    await until('pjm-share', async () => {
      const labels = await labelsAt(script, 1);
      return labels.includes('pjm-share') && labels.includes('pjm-mpi') ? true : undefined;
    });
    const yaml = await vscode.workspace.openTextDocument({ language: 'yaml', content: 'furo' });
    await vscode.window.showTextDocument(yaml);
    await until('furo-inference', async () => {
      const labels = await labelsAt(yaml, 0);
      return labels.includes('furo-inference') ? true : undefined;
    });
  });
});
