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
    },
    generation: {
      max_new_tokens: generation.maxNewTokens,
      temperature: generation.temperature,
      top_p: generation.topP,
      top_k: generation.topK,
      seed: generation.seed,
      stop: generation.stop,
    },
    batch: { rows: inference.batchRows },
    dtype: inference.dtype,
    trust_remote_code: false,
    chat_template_kwargs: {},
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}
