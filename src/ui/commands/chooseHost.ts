// Choose Host: the names of the ssh configuration, the usual login node, or whatever is typed. Writes the user's setting.
import * as vscode from 'vscode';
import { listHostChoices, withTyped, type HostChoice } from '../../jobs/hostChoices';
import { defaultSettings } from '../../settings';
import { liveSettings } from '../liveSettings';

interface HostItem extends vscode.QuickPickItem {
  readonly choice: HostChoice;
}

/** False when the person changed their mind. */
export async function chooseHost(): Promise<boolean> {
  const choices = await listHostChoices(defaultSettings.connection.host);
  const host = await pickHost(choices, liveSettings().settings.connection.host);
  if (host === undefined) return false;
  await vscode.workspace
    .getConfiguration('furo')
    .update('connection.host', host, vscode.ConfigurationTarget.Global);
  return true;
}

function pickHost(choices: readonly HostChoice[], current: string): Promise<string | undefined> {
  const picker = vscode.window.createQuickPick<HostItem>();
  picker.title = vscode.l10n.t('Login node of Furo');
  picker.placeholder = vscode.l10n.t('Choose a host of your ssh configuration, or type a name');
  const showItems = () => {
    picker.items = withTyped(choices, picker.value).map((choice) => itemOf(choice, current));
  };
  showItems();
  picker.activeItems = picker.items.filter(({ choice }) => choice.host === current);
  picker.onDidChangeValue(showItems);
  return new Promise((resolve) => {
    picker.onDidAccept(() => {
      resolve(picker.selectedItems[0]?.choice.host);
      picker.hide();
    });
    picker.onDidHide(() => {
      resolve(undefined);
      picker.dispose();
    });
    picker.show();
  });
}

function itemOf(choice: HostChoice, current: string): HostItem {
  const { host, origin } = choice;
  const isCurrent = host === current ? ` · ${vscode.l10n.t('chosen now')}` : '';
  const icons = { alias: 'key', usual: 'home', typed: 'edit' } as const;
  return {
    label: host,
    iconPath: new vscode.ThemeIcon(icons[origin]),
    description: originText(origin) + isCurrent,
    // What was typed is always offered, whatever the filter thinks of it.
    ...(origin === 'typed' && { alwaysShow: true }),
    choice,
  };
}

function originText(origin: HostChoice['origin']): string {
  switch (origin) {
    case 'alias':
      return vscode.l10n.t('from your ssh configuration');
    case 'usual':
      return vscode.l10n.t('login node of Furo Type II');
    case 'typed':
      return vscode.l10n.t('as typed');
  }
}
