// In Restricted Mode nothing connects or runs, whatever a person tries, and the view says how to go on.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { CountingDoor } from './countingDoor';
import { inWorkbench, Workbench } from './workbench';

/** A key reaches a command that the palette hides, as another extension does. */
const keys = {
  'furo.connect': 'Control+Alt+F6',
  'furo.runOnCxShare': 'Control+Alt+F7',
  'furo.cancelJob': 'Control+Alt+F8',
  'furo.refreshJobs': 'Control+Alt+F9',
  'furo.startTutorial': 'Control+Alt+F10',
} as const;

const refusal = /This folder is in Restricted Mode, so nothing connects or runs/;

inWorkbench('in Restricted Mode', () => {
  const door = new CountingDoor();
  let workbench: Workbench;

  beforeAll(async () => {
    workbench = await Workbench.open({
      workspaceTrust: true,
      settings: {
        'security.workspace.trust.startupPrompt': 'never',
        // The trust editor as a tab, so that it covers nothing.
        'workbench.editor.useModal': 'off',
        'furo.connection.port': await door.open(),
      },
    });
    door.target = workbench.furo?.endpoint.port ?? 0;
    const bindings = Object.entries(keys).map(([command, key]) => ({
      command,
      key: key.replace('Control', 'ctrl').toLowerCase(),
    }));
    const user = join(workbench.editor.userData, 'User');
    writeFileSync(join(user, 'keybindings.json'), JSON.stringify(bindings));
    writeFileSync(join(workbench.folder, 'scripts/long.sh'), longScript);
    await workbench.show();
  });

  afterAll(async () => {
    await workbench.close();
    await door.close();
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.picture(`failed ${task.name}`);
  });

  async function showJobs(): Promise<void> {
    await workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' }).click();
  }

  async function isRefused(command: keyof typeof keys): Promise<void> {
    await workbench.page.keyboard.press(keys[command]);
    await workbench.toast(refusal).waitFor({ timeout: 20_000 });
    await workbench.command('Notifications: Clear All Notifications');
    await workbench.toast(refusal).waitFor({ state: 'hidden' });
  }

  /** The editor where a person trusts a folder, or takes it back. */
  async function manageTrust(change: (editor: Locator) => Promise<void>): Promise<void> {
    await workbench.command('Workspaces: Manage Workspace Trust');
    await change(workbench.page.locator('.workspace-trust-editor'));
  }

  it('offers no run in the menu', async () => {
    await workbench.row('furo.yaml').click({ button: 'right' });
    await workbench.menuItem('Copy Path').waitFor();
    expect(await workbench.menuItem(/Run on Furo/).count()).toBe(0);
    await workbench.page.keyboard.press('Escape');
  });

  it('tells in its view that the folder has to be trusted first', async () => {
    await showJobs();
    await workbench.page.getByText('This folder is in Restricted Mode').first().waitFor();
    await workbench.picture('restricted');
  });

  it('refuses to connect and to run by a key, and says why', async () => {
    await isRefused('furo.connect');
    await isRefused('furo.runOnCxShare');
    await isRefused('furo.refreshJobs');
    await isRefused('furo.startTutorial');
    expect(door.count).toBe(0);
  });

  it('connects and runs once the folder is trusted', async () => {
    await manageTrust(async (editor) => {
      await editor
        .getByRole('button', { name: /^Trust\b/ })
        .first()
        .click();
      await editor.getByText('You trust this folder').waitFor();
    });
    await workbench.page.keyboard.press('Control+Shift+E');
    const long = await workbench.unfold('scripts', 'long.sh');
    await workbench.choose(long, 'Run on Furo cx-single');
    await workbench.dialogButton('Trust and Connect').click({ timeout: 30_000 });
    await showJobs();
    await workbench.row(/long.*running/).waitFor({ timeout: 60_000 });
    expect(door.count).toBeGreaterThan(0);
  });

  it('leaves a live job of the list alone when the trust is taken back', async () => {
    // A folder on a server is untrusted by taking it out of the list.
    await manageTrust(async (editor) => {
      const folder = editor.locator('.monaco-list-row').first();
      await folder.hover();
      await folder.getByRole('button', { name: 'Delete Path' }).click();
    });
    // The window starts its extensions anew, and writes its memory down every few seconds only.
    await workbench.page.waitForTimeout(6000);
    door.reset();
    await workbench.page.reload();
    await workbench.statusItem().waitFor({ timeout: 60_000 });
    // The view is open as it was; a click would close it.
    await workbench.row(/^long/).waitFor({ timeout: 60_000 });
    await isRefused('furo.connect');
    await isRefused('furo.runOnCxShare');
    await isRefused('furo.refreshJobs');
    await workbench.page.keyboard.press(keys['furo.cancelJob']);
    await workbench.page.locator('.quick-input-list').getByText('long').first().click();
    await workbench.dialogButton('Cancel Job').click();
    await workbench.toast(refusal).waitFor();
    await workbench.picture('restricted-live-job');
    // Longer than the first questions to PJM take after a start.
    await workbench.page.waitForTimeout(5000);
    expect(door.count).toBe(0);
    expect(workbench.furo?.scheduler.snapshot().jobs.map(({ state }) => state)).toEqual(['RUN']);
  });

  it('says without a folder what to open, and runs nothing', async () => {
    door.reset();
    await workbench.page.goto(`${workbench.editor.address}/?ew=true`);
    const tab = workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' });
    await tab.click({ timeout: 60_000 });
    await workbench.page.getByText('Open the folder with your prompts').first().waitFor();
    await workbench.picture('no-folder');
    await workbench.page.keyboard.press(keys['furo.runOnCxShare']);
    await workbench.toast('No folder is open. Open the folder with your prompts').waitFor();
    // The toast slides in.
    await workbench.page.waitForTimeout(500);
    await workbench.picture('no-folder-run');
    expect(door.count).toBe(0);
  });
});

const longScript = `#!/bin/bash
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=0:10:00
#PJM -j
echo waiting
sleep 600
`;
