// Which waiting steps of a step job are deleted because the form of a `sd=` rule came true. Changes nothing.
import { isFinalState } from '../pjm/jobState';
import type { JobTable } from './jobTable';
import type { SimulatedJob } from './simulatedJob';
import { deletesStep, parseStepRule } from './stepRules';

/**
 * Judged one after the other while the caller deletes: a deleted step is a result for those behind it.
 * `one` deletes the step itself. `after` and `all` both delete the later steps too: the manual names the two types, but
 * where they differ is not known here (a guess), and earlier steps have ended when a step is judged.
 */
export function* deletedSteps(
  jobs: JobTable,
  waiting: readonly SimulatedJob[],
): Iterable<SimulatedJob> {
  for (const job of waiting) {
    if (job.part.kind !== 'step' || !jobs.isNextStep(job)) continue;
    const own = job.part.number;
    const rule = parseStepRule(job.part.dependency);
    if (!rule || !deletesStep(rule, own, jobs.stepResults(job.jobId))) continue;
    const members = jobs.members(job.jobId);
    const followers = members.filter(({ part }) => part.kind === 'step' && part.number > own);
    for (const other of rule.deleteType === 'one' ? [job] : [job, ...followers])
      if (!isFinalState(other.state)) yield other;
  }
}
