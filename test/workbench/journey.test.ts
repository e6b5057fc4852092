// The whole way in the real workbench: right-click, queue, output, reload in the middle, results. With pictures.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { inWorkbench, Workbench } from './workbench';

inWorkbench('a whole job in VS Code', () => {
  let workbench: Workbench;

  beforeAll(async () => {
    workbench = await Workbench.open();
    writeFileSync(join(workbench.folder, 'scripts/wrong.sh'), wrongScript);
    writeFileSync(join(workbench.folder, 'scripts/long.sh'), longScript);
    writeFileSync(join(workbench.folder, 'scripts/short.sh'), shortScript);
    writeFileSync(join(workbench.folder, 'scripts/hello.py'), 'print("hello")\n');
    writeFileSync(join(workbench.folder, 'furo.yaml'), threeJobs);
    await workbench.show();
  }, 180_000);

  afterAll(async () => {
    await workbench.close();
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.picture(`failed ${task.name}`);
  });

  it('offers to run a .jsonl file in its context menu', async () => {
    const file = await workbench.unfold('data', 'questions.jsonl');
    await file.click({ button: 'right' });
    await workbench.menuItem('Run on Furo cx-single').waitFor();
    await workbench.menuItem(/^Run on Furo$/).hover();
    for (const entry of [
      'cx-share (1 GPU)',
      'cx-single (1 node, 4 GPUs)',
      'cx-small (up to 8 nodes)',
      'Choose...',
    ])
      await workbench.menuItem(entry).waitFor();
    await workbench.pictures('1-menu');
    await workbench.page.keyboard.press('Escape');
    await workbench.page.keyboard.press('Escape');
  });

  it('shows the fingerprint of the unknown host before anything is sent', async () => {
    workbench.furo!.faults.set({ queueDelaySeconds: 6 });
    await workbench.choose(workbench.row('questions.jsonl'), 'Run on Furo cx-single');
    const dialog = workbench.page.locator('.monaco-dialog-box');
    await dialog
      .getByText(workbench.furo!.endpoint.hostKeyFingerprint)
      .waitFor({ timeout: 20_000 });
    await workbench.pictures('2-host-key');
    await workbench.dialogButton('Trust and Connect').click();
  });

  it('lists the job while it waits, with the group and the state in words', async () => {
    await workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' }).click();
    await workbench.row(/questions.*waiting.*cx-single/).waitFor({ timeout: 30_000 });
    await workbench.row(/^Waiting/).waitFor();
    const panel = workbench.page.locator('.part.panel');
    await panel.getByText(/questions.waits.in.the.queue.of.cx-single/).waitFor();
    await workbench.pictures('3-waiting');
  });

  it('streams the output while the job runs', async () => {
    await workbench
      .row(/questions.*running.*\d:\d\d:\d\d \/ \d+:\d\d:\d\d/)
      .waitFor({ timeout: 30_000 });
    await workbench.row(/^Running/).waitFor();
    await workbench.page
      .locator('.part.panel')
      .getByText('24 records')
      .first()
      .waitFor({ timeout: 30_000 });
    await workbench.pictures('4-running');
    workbench.furo!.faults.clear();
  });

  it('goes on after the window was reloaded in the middle', async () => {
    await workbench.page.reload();
    await workbench.row(/questions.*running/).waitFor({ timeout: 60_000 });
    await workbench.pictures('5-reloaded');
  });

  it('tells the end once, and opens the answers as a table', async () => {
    const toast = workbench.toast(/questions.*done, 24 of 24 answered/);
    await toast.waitFor({ timeout: 120_000 });
    await workbench.pictures('6-ended');
    const toasts = workbench.page.locator('.notifications-toasts .notification-list-item');
    expect(await toasts.filter({ hasText: /questions.*done/ }).count()).toBe(1);
    await workbench.page
      .locator('.notifications-toasts')
      .getByRole('button', { name: 'Open Results' })
      .click();
    const view = workbench.page.frameLocator('iframe.webview').frameLocator('#active-frame');
    await view.getByText('What is the capital of Japan?').first().waitFor({ timeout: 30_000 });
    await view.getByText(/Tokyo/).first().waitFor();
    await workbench.row(/questions.*done.*cx-single/).waitFor();
    await workbench.row(/^Finished/).waitFor();
    await workbench.pictures('7-results');
  });

  it('lost and doubled no line of the output over the reload', () => {
    const output = workbench.outputOf(/questions/);
    const starts = output.match(/^24 records, 0 of them/gm) ?? [];
    // Once in the channel of the first window, once in that of the reloaded one.
    expect(starts.length).toBe(2);
    expect(output.match(/Finished: 24 answered/g)?.length).toBe(1);
  });

  it('copies the job id and opens the output from the icons of the row', async () => {
    const { context, furo, page } = workbench;
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const row = workbench.row(/questions.*done/);
    await workbench.clickIcon(row, 'Copy Job ID');
    const { jobId } = furo!.scheduler.snapshot().jobs.at(-1)!;
    await expect
      .poll(() => page.evaluate<string>('navigator.clipboard.readText()'))
      .toBe(String(jobId));
    await page.keyboard.press('Control+J'); // the panel goes, and comes back with the output
    const panel = page.locator('.part.panel');
    await panel.waitFor({ state: 'hidden' });
    await workbench.clickIcon(row, 'Open Output');
    await panel.getByText('Finished: 24 answered').first().waitFor();
  });

  it('opens the results again after a reload', async () => {
    // A browser window writes down its open editors every few seconds only.
    await workbench.page.waitForTimeout(10_000);
    await workbench.page.reload();
    await workbench.row(/questions.*done.*cx-single/).waitFor({ timeout: 60_000 });
    const view = workbench.page.frameLocator('iframe.webview').frameLocator('#active-frame');
    await view.getByText('What is the capital of Japan?').first().waitFor({ timeout: 30_000 });
  });

  it('previews the sync: what is sent, what is left out, and by which rule', async () => {
    writeFileSync(join(workbench.folder, '.furoignore'), '# not for the machine\nsecret/\n');
    mkdirSync(join(workbench.folder, 'secret'));
    writeFileSync(join(workbench.folder, 'secret/plan.txt'), 'mine');
    writeFileSync(join(workbench.folder, 'scripts/windows.sh'), '#!/bin/bash\r\necho hi\r\n');
    await showExplorer();
    await workbench.choose(await workbench.unfold('scripts', 'windows.sh'), 'Preview Sync');
    const text = workbench.page.locator('.editor-instance .view-lines').first();
    // The editor shows spaces as ones that do not break.
    await text.getByText(/Preview\sof\sthe\ssync\.\sNothing\swas\ssent/).waitFor({ timeout: 30_000 }); // prettier-ignore
    await text.getByText(/secret\/.*\.furoignore:2\s"secret\/"/).waitFor();
    await text.getByText(/scripts\/windows\.sh/).waitFor();
    await workbench.picture('8-preview-sync');
  });

  it('refuses a script that PJM would refuse, and says why before anything is sent', async () => {
    await showExplorer();
    await workbench.choose(await workbench.unfold('scripts', 'wrong.sh'), 'Run on Furo cx-single');
    await workbench.toast(/no resource group cx-singel. Did you mean cx-single/).waitFor();
    const toasts = workbench.page.locator('.notifications-toasts');
    await toasts.getByRole('button', { name: 'Open File' }).waitFor();
    await workbench.picture('9-refused');
    await workbench.command('Notifications: Clear All Notifications');
  });

  it('cancels a running job after asking', async () => {
    await showExplorer();
    await workbench.choose(await workbench.unfold('scripts', 'long.sh'), 'Run on Furo cx-single');
    await workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' }).click();
    const row = workbench.row(/long.*running/);
    await row.waitFor({ timeout: 60_000 });
    await workbench.clickIcon(row, 'Cancel Job');
    await workbench.dialogButton('Cancel Job').waitFor();
    await workbench.pictures('10-cancel');
    await workbench.dialogButton('Cancel Job').click();
    await workbench.row(/long.*cancelled/).waitFor({ timeout: 60_000 });
  });

  it('can be stopped by a person while the project is sent, and runs nothing then', async () => {
    const { faults, scheduler } = workbench.furo!;
    const before = scheduler.snapshot().jobs.length;
    await workbench.command('Notifications: Clear All Notifications');
    const large = join(workbench.folder, 'large.bin');
    writeFileSync(large, randomBytes(40_000_000));
    faults.set({ delayMs: 100 });
    try {
      await showExplorer();
      await workbench.row('large.bin').waitFor(); // the rows move no more
      const script = await workbench.unfold('scripts', 'short.sh');
      await workbench.choose(script, 'Run on Furo cx-single');
      const toasts = workbench.page.locator('.notifications-toasts');
      const sending = toasts.getByText(/Run short on Furo: .*\(\d\d?\.\d MB of/);
      await sending.waitFor({ timeout: 60_000 });
      await workbench.picture('10-sending');
      await toasts.getByRole('button', { name: 'Cancel' }).click();
      await sending.waitFor({ state: 'hidden', timeout: 10_000 });
      // No word of an error: it is what the person asked for.
      expect(await toasts.locator('.codicon-error, .codicon-warning').count()).toBe(0);
    } finally {
      faults.clear();
      rmSync(large);
    }
    expect(scheduler.snapshot().jobs).toHaveLength(before);
    await workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' }).click();
    await workbench.row(/long.*cancelled/).waitFor();
    expect(await workbench.row(/short/).count()).toBe(0);
  });

  it('runs several jobs of furo.yaml that were chosen together', async () => {
    await showExplorer();
    await workbench.choose(workbench.row('furo.yaml'), 'Run on Furo cx-single');
    const list = workbench.page.locator('.quick-input-list');
    const names = ['first', 'second'];
    for (const name of names) await list.getByRole('checkbox', { name }).first().click();
    await workbench.picture('10-several');
    await workbench.page.keyboard.press('Enter');
    await workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' }).click();
    for (const name of names)
      await workbench.row(new RegExp(`^${name}.*done`)).waitFor({ timeout: 60_000 });
    expect(await workbench.row(/^third/).count()).toBe(0);
  });

  it('runs a .py from its editor with the group and the nodes that are chosen', async () => {
    await showExplorer();
    await (await workbench.unfold('scripts', 'hello.py')).dblclick();
    const text = workbench.page.locator('.editor-instance .view-lines').first();
    await text.getByText(/hello/).first().waitFor({ timeout: 30_000 });
    await workbench.choose(text, /^Run on Furo$/, 'Choose...');
    const list = workbench.page.locator('.quick-input-list');
    await list.getByRole('option', { name: /^cx-small/ }).click();
    const input = workbench.page.locator('.quick-input-widget input.input').first();
    await workbench.page.getByText('How many nodes of cx-small?').first().waitFor();
    await input.fill('2');
    await workbench.picture('10-nodes');
    await workbench.page.keyboard.press('Enter');
    await workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' }).click();
    await workbench.row(/hello.*cx-small/).waitFor({ timeout: 60_000 });
    await workbench.row(/hello.*done/).waitFor({ timeout: 120_000 });
    const job = workbench.furo!.scheduler.snapshot().jobs.at(-1);
    expect(job).toMatchObject({ state: 'EXT', spec: { nodes: 2 } });
  });

  it('checks each step of the connection and shows what it found', async () => {
    await workbench.command('Notifications: Clear All Notifications');
    await workbench.checkConnection(
      'Furo: Check Connection',
      'Trust and Connect',
      /Everything.works/,
    );
    const lines = workbench.page.locator('.view-lines');
    await lines
      .getByText(/Batch.system.\(PJM\)/)
      .first()
      .waitFor();
    await workbench.page.getByText('Copy Diagnostics').first().waitFor();
    await workbench.page.waitForTimeout(500);
    await workbench.picture('11-check');
  });

  it('counts down to the next try while the connection is gone', async () => {
    const { faults } = workbench.furo!;
    faults.set({ cutAfterBytes: 1 });
    faults.cutConnections();
    await workbench.statusText(/reconnecting.in.\d/).waitFor({ timeout: 60_000 });
    await workbench.picture('12-waiting');
  });

  it('says why only a person can help, and leads to the step that failed', async () => {
    workbench.furo!.faults.set({ cutAfterBytes: undefined, hostKey: 'other' });
    const state = workbench.statusText(/host.key.refused/);
    await state.waitFor({ timeout: 60_000 });
    const message = workbench.page.locator('.part.sidebar').getByText(/not the one that you trust/);
    await message.waitFor();
    await workbench.picture('13-blocked');
    await state.click();
    const lines = workbench.page.locator('.view-lines');
    await lines
      .getByText(/This.does.not.work.yet:.Host.key/)
      .first()
      .waitFor({ timeout: 30_000 });
    await lines
      .getByText(/ssh-keygen.-f/)
      .first()
      .waitFor();
    await workbench.page.waitForTimeout(500);
    await workbench.picture('14-check-failed');
  });

  it('comes back by Reconnect, and tells nobody who it was', async () => {
    const { context, furo, page } = workbench;
    furo!.faults.clear();
    await workbench.command('Furo: Reconnect');
    await workbench.statusText(/host.key/).waitFor({ state: 'hidden' });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await workbench.command('Furo: Copy Diagnostics');
    await workbench.toast(/on the clipboard, without names/).waitFor();
    const text = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(text).toContain('blocked (hostKeyChanged)');
    expect(text).toContain('hostKey: failed (hostKeyChanged)');
    const { host, user, identityFile, remoteFolder } = furo!.endpoint;
    for (const value of [host, user, identityFile, remoteFolder, workbench.folder])
      expect(text).not.toContain(value);
    await workbench.picture('15-diagnostics');
  });

  it('offers the hosts of the ssh configuration, the usual one and what is typed', async () => {
    await workbench.command('Notifications: Clear All Notifications');
    await workbench.command('Furo: Choose Host...');
    const list = workbench.page.locator('.quick-input-list');
    await list.getByRole('option', { name: /flow-cx\.cc\.nagoya-u\.ac\.jp/ }).waitFor();
    await workbench.page.locator('.quick-input-widget input.input').first().fill('my-furo');
    await list.getByRole('option', { name: /my-furo.*as typed/ }).waitFor();
    await workbench.picture('16-choose-host');
    await workbench.page.keyboard.press('Escape');
  });

  async function showExplorer(): Promise<void> {
    await workbench.page.keyboard.press('Control+Shift+E');
  }
});

const wrongScript = `#!/bin/bash
#PJM -L rscgrp=cx-singel
#PJM -L elapse=0:10:00
echo never
`;

const shortScript = `#!/bin/bash
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=0:10:00
#PJM -j
echo short
`;

const threeJobs = `version: 1
jobs:
  first:
    script: scripts/short.sh
  second:
    script: scripts/short.sh
  third:
    script: scripts/short.sh
`;

const longScript = `#!/bin/bash
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=0:10:00
#PJM -j
#PJM -S
echo waiting
sleep 600
`;
