// The same way in Japanese and in a dark theme: what a person reads is Japanese, from the menu to the results.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { secrets } from '../secretGuard';
import { inWorkbench, Workbench } from './workbench';

inWorkbench('in Japanese, dark', () => {
  let workbench: Workbench;

  beforeAll(async () => {
    workbench = await Workbench.open({
      locale: 'ja',
      settings: {
        'workbench.colorTheme': 'Default Dark Modern',
        'furo.inference.maxNewTokens': 24,
      },
    });
    const all = readFileSync(join(workbench.folder, 'data/questions.jsonl'), 'utf8').split('\n');
    writeFileSync(join(workbench.folder, 'data/few.jsonl'), `${all.slice(0, 12).join('\n')}\n`);
    await workbench.show();
  });

  afterAll(async () => {
    await workbench.close();
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await workbench.picture(`failed ${task.name}`);
  });

  it('shows the menu in Japanese', async () => {
    const file = await workbench.unfold('data', 'few.jsonl');
    await file.click({ button: 'right' });
    await workbench.menuItem(/cx-single で実行/).waitFor();
    await workbench.pictures('ja-1-menu');
    await workbench.page.keyboard.press('Escape');
  });

  it('asks about the host key, runs the job and shows the answers in Japanese', async () => {
    workbench.furo!.faults.set({ queueDelaySeconds: 6 });
    await workbench.choose(workbench.row('few.jsonl'), /cx-single で実行/);
    await workbench.page.locator('.monaco-dialog-box').getByText('SHA256:').waitFor();
    await workbench.pictures('ja-2-host-key');
    await workbench.page.keyboard.press('Enter');
    await workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' }).click();
    await workbench.row(/few.*待機中/).waitFor({ timeout: 60_000 });
    await workbench.row(/^待機中/).waitFor();
    const panel = workbench.page.locator('.part.panel');
    await panel.getByText(/few.は.cx-single.のキューで待機しています/).waitFor();
    await workbench.pictures('ja-3-waiting');
    await workbench.row(/few.*実行中/).waitFor({ timeout: 60_000 });
    await workbench.pictures('ja-4-running');
    await workbench.page.reload();
    await workbench.row(/few.*(実行中|完了)/).waitFor({ timeout: 60_000 });
    await workbench.pictures('ja-5-reloaded');
    await workbench.toast(/few.*12/).waitFor({ timeout: 120_000 });
    await workbench.pictures('ja-6-ended');
    await workbench.page
      .locator('.notifications-toasts')
      .getByRole('button', { name: '結果を開く' })
      .click();
    await results().getByText('q-01').waitFor({ timeout: 30_000 });
    await workbench.pictures('ja-7-results');
  });

  it('previews the sync in Japanese, from the button of the Furo view', async () => {
    writeFileSync(join(workbench.folder, '.furoignore'), '*.secret\n');
    writeFileSync(join(workbench.folder, 'a.secret'), 'mine');
    await workbench.row(/few/).hover();
    await workbench.page.getByRole('button', { name: '同期をプレビュー' }).first().click();
    const text = workbench.page.locator('.editor-instance .view-lines').first();
    await text.getByText(/同期のプレビューです/).waitFor({ timeout: 30_000 });
    await text.getByText(/a\.secret.*\.furoignore:1/).waitFor();
    await workbench.picture('ja-8-preview-sync');
  });

  it('checks the connection in Japanese, and says why it is blocked', async () => {
    await workbench.checkConnection('Furo: 接続を診断', '信頼して接続', /すべて正常です/);
    await workbench.page.waitForTimeout(500);
    await workbench.picture('ja-9-check');
    workbench.furo!.faults.set({ hostKey: 'other' });
    workbench.furo!.faults.cutConnections();
    const state = workbench.statusText(/ホスト鍵を拒否/);
    await state.waitFor({ timeout: 60_000 });
    await workbench.page
      .locator('.part.sidebar')
      .getByText(/マシンの鍵が信頼済み/)
      .waitFor();
    await state.click();
    const lines = workbench.page.locator('.view-lines');
    await lines
      .getByText(/まだ使えないもの/)
      .first()
      .waitFor({ timeout: 30_000 });
    await workbench.page.waitForTimeout(500);
    await workbench.picture('ja-10-check-failed');
  });

  it('warns of a key of another type, and opens a key file with a passphrase that it may keep', async () => {
    const { furo, page } = workbench;
    furo!.faults.clear();
    const { hostKeyFingerprint, identityFile, knownHostsLine } = furo!.endpoint;
    const [name = '', , key = ''] = knownHostsLine.split(' ');
    const [trusted = ''] = workbench.filesWith(key).filter((file) => /globalStorage.*known_hosts$/.test(file)); // prettier-ignore
    writeFileSync(trusted, `${name} ${publicKey(workbench.work, 'rsa')}\n`);
    const locked = join(workbench.work, 'locked');
    copyFileSync(identityFile, locked);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', secrets.passphrase, '-f', locked]);
    workbench.change({ 'furo.connection.identityFile': locked });
    await workbench.command('Furo: 再接続');
    const dialog = page.locator('.monaco-dialog-box');
    await dialog.getByText(/異なる種類の鍵/).waitFor({ timeout: 30_000 });
    await dialog.getByText(hostKeyFingerprint).waitFor();
    await workbench.picture('ja-11-other-type');
    await workbench.dialogButton('信頼して接続').click();
    await typePassphrase();
    const keep = page.getByRole('option', { name: 'シークレットストレージに保存' });
    await keep.waitFor();
    await workbench.picture('ja-12-keep');
    await keep.click();
    await page
      .locator('.part.sidebar')
      .getByText(/: 接続済み/)
      .waitFor({ timeout: 30_000 });
  });

  it('asks for no passphrase that was kept, and again after it was forgotten', async () => {
    const { page } = workbench;
    await page.reload();
    await results().getByText('q-01').waitFor({ timeout: 60_000 });
    // Out of the page, which swallows the key that opens the list of commands.
    await workbench.row(/^few/).click();
    await workbench.checkConnection('Furo: 接続を診断', '信頼して接続', /すべて正常です/);
    await workbench.command('Furo: 保存したパスフレーズを削除');
    await workbench.toast(/保存したパスフレーズを削除しました/).waitFor();
    await workbench.command('Furo: 再接続');
    await passphraseBox().waitFor({ timeout: 30_000 });
    await workbench.picture('ja-13-passphrase');
    await page.keyboard.press('Escape');
    expect(workbench.filesWith(secrets.passphrase)).toEqual([]);
  });

  const results = () => workbench.page.frameLocator('iframe.webview').frameLocator('#active-frame');

  const passphraseBox = () =>
    workbench.page
      .locator('.quick-input-widget')
      .getByText(/locked のパスフレーズ/)
      .first();

  async function typePassphrase(): Promise<void> {
    await passphraseBox().waitFor({ timeout: 30_000 });
    await workbench.page
      .locator('.quick-input-widget input.input')
      .first()
      .fill(secrets.passphrase);
    await workbench.page.keyboard.press('Enter');
  }
});

/** A new key of that type: its type and its public half, as they stand in known_hosts. */
function publicKey(folder: string, type: string): string {
  const file = join(folder, `host_${type}`);
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8').split(' ', 2).join(' ');
}
