// A plan that is only shown: everything that a submission does before the queue, then the runtime's words instead of pjsub.
import { joinRemote } from '../ssh/remote';
import { renderJobFile } from '../workflow/jobFile';
import { jobFailure } from './failures';
import { projectPlaces, resultsFolder } from './places';
import { askPlanText } from './runtimePlan';
import { sendProject } from './sendProject';
import type { SubmitParts, SubmitPlan } from './submit';

/** Syncs the project, sends the runtime and returns the plan as text for a person. */
export async function planText(parts: SubmitParts, plan: SubmitPlan): Promise<string> {
  const { job, signal, onStep } = plan;
  const { work, name, settings } = job;
  if (work.kind !== 'inference') throw jobFailure('planOnlyForInference', { job: name });
  const { files } = parts.remote;
  const places = projectPlaces(plan.remoteFolder, plan.workspaceFolder, parts.computer);
  const { own, project } = places;
  await sendProject(parts, plan, places);
  onStep?.({ kind: 'runtime' });
  const runtimeFolder = await parts.uploadRuntime(plan.remoteFolder, signal);
  const jobFile = joinRemote(own, 'plans', `${name}.json`);
  await files.makeFolder(joinRemote(own, 'plans'), signal);
  const output = resultsFolder(places, name, work.inference);
  await files.write(jobFile, renderJobFile(work.inference, output));
  onStep?.({ kind: 'planning' });
  const { condaEnvironment } = settings;
  return askPlanText(parts.remote, { project, runtimeFolder, jobFile, condaEnvironment }, signal);
}
