// A small batch script and the wait for what it brings back. Knows no test.
import * as vscode from 'vscode';
import { until, workspaceFile } from './host';

/** A batch script that is done at once. */
export const quickScript = `#!/bin/bash
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=0:05:00
#PJM -j
#PJM -S
echo "hello from job $PJM_JOBID"
echo "made by the job" > made.txt
`;

/** Folders of `furo-results` that belong to runs of `<name>.sh`, oldest first. */
async function resultFolders(name: string): Promise<string[]> {
  const folder = vscode.workspace.fs.readDirectory(workspaceFile('furo-results'));
  const entries = await Promise.resolve(folder).catch(() => []);
  return entries
    .map(([entry]) => entry)
    .filter((entry) => entry.startsWith(`${name}.`))
    .sort();
}

/** The text of the one file with that ending, or undefined while it is not there. */
export async function readResult(folder: string, ending: string): Promise<string | undefined> {
  const place = workspaceFile(`furo-results/${folder}`);
  const name = (await vscode.workspace.fs.readDirectory(place))
    .map(([entry]) => entry)
    .find((entry) => entry.endsWith(ending));
  if (name === undefined) return undefined;
  const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(place, name));
  return new TextDecoder().decode(bytes);
}

/** Waits until there are `count` result folders and both files of the last; a folder is seen before it is full. */
export function results(
  name: string,
  count: number,
): Promise<{ id: string; output: string; statistics: string }> {
  return until(
    `result folder ${count} of ${name}`,
    async () => {
      const folder = (await resultFolders(name))[count - 1];
      if (folder === undefined) return undefined;
      const id = folder.slice(name.length + 1);
      const output = await readResult(folder, `.${id}.out`);
      const statistics = await readResult(folder, `.${id}.stats`);
      return output && statistics ? { id, output, statistics } : undefined;
    },
    75_000,
  );
}
