// In Restricted Mode nothing connects or runs, and the view says how to go on.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workbench, workbenchObstacle } from './workbench';

const obstacle = workbenchObstacle();

describe.skipIf(obstacle !== undefined && process.env['CI'] !== 'true')(
  'in Restricted Mode',
  () => {
    let workbench: Workbench;

    beforeAll(async () => {
      workbench = await Workbench.open({
        workspaceTrust: true,
        settings: { 'security.workspace.trust.startupPrompt': 'never' },
      });
      await workbench.show();
    });

    afterAll(async () => {
      await workbench.close();
    });

    it('offers no run in the menu', async () => {
      await workbench.row('furo.yaml').click({ button: 'right' });
      await workbench.menuItem('Copy Path').waitFor();
      expect(await workbench.menuItem(/Run on Furo/).count()).toBe(0);
      await workbench.page.keyboard.press('Escape');
    });

    it('tells in its view that the folder has to be trusted first', async () => {
      await workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' }).click();
      await workbench.page.getByText('This folder is in Restricted Mode').first().waitFor();
      await workbench.picture('restricted');
    });

    it('connected to nothing', () => {
      expect(workbench.outputOf(/Furo/)).not.toMatch(/connect/i);
    });

    it('says without a folder what to open', async () => {
      await workbench.page.goto(`${workbench.editor.address}/?ew=true`);
      const tab = workbench.page.locator('.activitybar').getByRole('tab', { name: 'Furo' });
      await tab.click({ timeout: 60_000 });
      await workbench.page.getByText('Open the folder with your prompts').first().waitFor();
      await workbench.picture('no-folder');
    });
  },
);
