// `furo sync`: sends the project without a job, or with --preview only tells what would be sent.
import { previewSync } from '../jobs/previewSync';
import { projectPlaces } from '../jobs/places';
import { resolveRemoteFolder } from '../jobs/remoteFolder';
import { syncProject } from '../sync/upload';
import { keptNotes, notesText, syncPreviewText } from '../words/syncText';
import { say, syncSettings, type Context } from './commands';

export async function syncOrPreview(
  context: Context,
  { isPreview }: { readonly isPreview: boolean },
): Promise<void> {
  const { session, screen, signal, translate: t } = context;
  const { remote, folder: workspaceFolder, settings, computer } = session;
  await remote.connect(signal);
  const { remoteFolder: base } = settings.connection;
  const remoteFolder = await resolveRemoteFolder(remote, base, signal);
  const options = { ...syncSettings(context), workspaceFolder, computer, remoteFolder };
  if (isPreview) {
    screen.write(syncPreviewText(await previewSync(remote, options), t));
    return;
  }
  const summary = await syncProject({
    ...options,
    files: remote.files,
    exec: (command, how) => remote.exec(command, how),
    localFolder: workspaceFolder,
    remoteFolder: projectPlaces(remoteFolder, workspaceFolder, computer).project,
  });
  const { uploaded, removed, unchanged } = summary;
  say(context, t('{0} sent, {1} removed, {2} unchanged', uploaded, removed, unchanged));
  for (const sentence of [...keptNotes(summary, t), ...notesText(summary, t)])
    say(context, sentence);
}
