// Writes a first furo.yaml into the open folder, or opens the one that is there.
import * as vscode from 'vscode';
import { uiFailure } from '../failures';

const template = `# The jobs of this folder. Right-click this file and choose "Run on Furo".
version: 1
jobs:
  answer:
    resourceGroup: cx-share
    elapse: "1:00:00"
    inference:
      model: Qwen/Qwen2.5-7B-Instruct
      input: data/questions.jsonl
      promptTemplate: "{{ question }}"
      maxNewTokens: 256
`;

export async function newWorkflow(): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0];
  if (!folder) throw uiFailure('noFolder');
  const file = vscode.Uri.joinPath(folder.uri, 'furo.yaml');
  const isThere = await vscode.workspace.fs.stat(file).then(
    () => true,
    () => false,
  );
  if (!isThere) await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(template));
  await vscode.window.showTextDocument(file);
}
