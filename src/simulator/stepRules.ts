// `sd=form[:deletetype[:stepno...]]` of step jobs: when a sub-job is deleted instead of run. Values only.
// Source: Command Reference, pjsub --step: the form is the condition for DELETING, not for running.

type DeleteType = 'one' | 'after' | 'all';

export interface StepRule {
  /** `NONE` never deletes. */
  readonly form:
    | 'NONE'
    | { readonly item: 'ec' | 'pc'; readonly test: string; readonly values: readonly number[] };
  readonly deleteType: DeleteType;
  /** Steps whose end is judged; empty: the one before. */
  readonly steps: readonly number[];
}

/** How a step ended. */
export interface StepResult {
  readonly number: number;
  readonly exitCode: number;
  readonly pjmCode: number;
}

/** Undefined when the text is no rule. */
export function parseStepRule(text: string): StepRule | undefined {
  const [form = '', deleteType = 'one', ...steps] = text.split(':');
  if (deleteType !== 'one' && deleteType !== 'after' && deleteType !== 'all') return undefined;
  if (steps.some((step) => !/^\d+$/.test(step))) return undefined;
  const numbers = steps.map(Number);
  if (form.toUpperCase() === 'NONE') return { form: 'NONE', deleteType, steps: numbers };
  const match = /^(ec|pc)(==|!=|>=|<=|>|<)(\d+(?:,\d+)*)$/.exec(form);
  if (!match) return undefined;
  const [, item, test = '', values = ''] = match;
  const isList = test === '==' || test === '!=';
  if (!isList && values.includes(',')) return undefined;
  return {
    form: { item: item === 'pc' ? 'pc' : 'ec', test, values: values.split(',').map(Number) },
    deleteType,
    steps: numbers,
  };
}

/** True when one of the judged steps fulfils the form, so that the sub-job is deleted. */
export function deletesStep(rule: StepRule, own: number, ended: readonly StepResult[]): boolean {
  const { form } = rule;
  if (form === 'NONE') return false;
  const before = ended.filter(({ number }) => number < own).sort((a, b) => a.number - b.number);
  const judged =
    rule.steps.length > 0
      ? ended.filter(({ number }) => rule.steps.includes(number))
      : before.slice(-1);
  return judged.some((result) => {
    const value = form.item === 'ec' ? result.exitCode : result.pjmCode;
    return holds(form.test, value, form.values);
  });
}

function holds(test: string, value: number, values: readonly number[]): boolean {
  const first = values[0] ?? 0;
  switch (test) {
    case '==':
      return values.includes(value);
    case '!=':
      return !values.includes(value);
    case '>':
      return value > first;
    case '<':
      return value < first;
    case '>=':
      return value >= first;
    default:
      return value <= first;
  }
}
