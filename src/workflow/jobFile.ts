// The job file of `furo_infer`, written from an Inference. Shape: test/fixtures/contract/job.json.
import type { Inference } from './workflow';

/** JSON text of a job file. Relative paths count from the project folder, where the job starts. */
export function renderJobFile(inference: Inference, outputFolder: string): string {
  const { generation } = inference;
  const file = {
    version: 1,
    model: inference.model,
    revision: inference.revision ?? null,
    input: inference.input,
    output: outputFolder,
    prompt: {
      system: inference.systemPrompt ?? null,
      template: inference.promptTemplate ?? null,
      ...(inference.promptFunction !== undefined && { function: inference.promptFunction }),
    },
    generation: {
      max_new_tokens: generation.maxNewTokens,
      temperature: generation.temperature,
      top_p: generation.topP,
      top_k: generation.topK,
      seed: generation.seed,
      stop: generation.stop,
    },
    batch: inference.batchRows === undefined ? {} : { rows: inference.batchRows },
    dtype: inference.dtype,
    trust_remote_code: false,
    chat_template_kwargs: inference.chatTemplateKwargs ?? {},
    ...optionalKeys(inference),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** What the runtime chooses or plans where a file says nothing. */
function optionalKeys({
  backend,
  layout,
  policy,
  responseFormat,
}: Inference): Record<string, unknown> {
  const { tensorParallel, ...counts } = layout ?? {};
  return {
    ...(backend && { backend }),
    ...(layout && {
      layout: {
        ...counts,
        ...(tensorParallel !== undefined && { tensor_parallel: tensorParallel }),
      },
    }),
    ...(policy && { policy }),
    ...(responseFormat && { response_format: responseFormat }),
  };
}
