// `furo sync`: sends the project without a job, or with --preview only tells what would be sent.
import { previewSync } from '../jobs/previewSync';
import { projectPlaces } from '../jobs/places';
import { resolveRemoteFolder } from '../jobs/remoteFolder';
import { syncProject } from '../sync/upload';
import { notesText, syncPreviewText } from '../words/syncText';
import { say, syncSettings, type Context } from './commands';

export async function syncOrPreview(
  context: Context,
  { isPreview }: { readonly isPreview: boolean },
): Promise<void> {
  const { session, screen, signal, translate: t } = context;
  const { remote, folder: workspaceFolder, settings } = session;
  await remote.connect(signal);
  const { remoteFolder: base } = settings.connection;
  const remoteFolder = await resolveRemoteFolder(remote, base, signal);
  const options = { ...syncSettings(context), workspaceFolder, remoteFolder };
  if (isPreview) {
    screen.write(syncPreviewText(await previewSync(remote, options), t));
    return;
  }
  const summary = await syncProject({
    ...options,
    files: remote.files,
    exec: (command, how) => remote.exec(command, how),
    localFolder: workspaceFolder,
    remoteFolder: projectPlaces(remoteFolder, workspaceFolder).project,
  });
  const { uploaded, removed, unchanged, kept } = summary;
  say(context, t('{0} sent, {1} removed, {2} unchanged', uploaded, removed, unchanged));
  const paths = [...kept.map(({ path }) => path), ...summary.skippedLinks];
  if (paths.length > 0)
    say(context, t('Not sent as they are here (changed on the machine, or links): {0}', paths.join(', '))); // prettier-ignore
  for (const sentence of notesText(summary, t)) say(context, sentence);
}
