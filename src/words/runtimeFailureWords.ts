// Words for the reasons that furo_infer gives when it stops: what it means and what to do; its own sentence is the detail.
// Knows the names of the reasons (python-runtime/furo_infer), not where they are thrown.
import type { RunFailure } from '../jobs/job';
import type { Translate } from './translate';

type Words = (t: Translate) => string;

const words: Readonly<Record<string, Words>> = {
  modelNotFound: (t) =>
    t(
      'The model was not found on the machine. Check its name, and download it to the cache there before: compute nodes may have no way to the internet.',
    ),
  modelUnreadable: (t) =>
    t('The model cannot be loaded. Download it anew, or choose one in the safetensors format.'),
  cudaAbsent: (t) =>
    t(
      'The job asks for a GPU, but there is none for it. Choose a resource group with GPUs and install a torch built for CUDA (Set Up Environment on Furo).',
    ),
  deviceFailed: (t) =>
    t('A GPU or the memory of a node did not hold out. Take fewer rows at once or more GPUs.'),
  outOfMemory: (t) =>
    t('A GPU or the memory of a node did not hold out. Take fewer rows at once or more GPUs.'),
  packageMissing: (t) =>
    t('A Python package is missing there. Set up the environment on Furo, then run it again.'),
  processLost: (t) =>
    t('A process of the job ended without a word. Run it again: only what is missing is computed.'),
  inputEmpty: (t) => t('The input holds no record. Write one JSON object on each line.'),
  inputUnreadable: (t) => t('The input cannot be read. Correct it and run it again.'),
  promptUnclear: (t) =>
    t('It is not clear how a record becomes a prompt. Enter a template in promptTemplate.'),
  backendAbsent: (t) =>
    t('The chosen back end is not installed there. Install it, or leave the key backend away.'),
  deviceUnusable: (t) => t('The torch there has no kernels for this GPU. Install one that has.'),
  familyUnknown: (t) =>
    t('The own engine does not know this family of models. Choose the back end transformers.'),
  gpusTooFew: (t) =>
    t('More processes were started on a node than it has GPUs. Start one for each GPU.'),
  gpuShared: (t) =>
    t(
      'Processes of the job share one GPU. Start one for each GPU of a node, or choose a resource group with more GPUs.',
    ),
  inputInvalid: (t) => t('Records of the input cannot be used. Correct them and run it again.'),
  modelTooLarge: (t) =>
    t('The model does not fit into the memory of the GPUs. Choose a smaller model or more GPUs.'),
  rankAbsent: (t) =>
    t(
      'A process of the job did not come up. Run it again; if it stays so, ask the computer centre about the node.',
    ),
  templateFitsNoRecord: (t) =>
    t(
      'The prompt template fits no record. Correct the template, or the names of the fields in the input.',
    ),
  functionInvalid: (t) => t('The prompt function cannot be used. Correct it and run it again.'),
};

/** The reasons that have words, for the test that furo_infer has them. */
export const runtimeReasons = Object.keys(words);

/** Heading and remedy in the person's language, then what the runtime said; that alone where the reason is unknown. */
export function runtimeFailureText({ reason, message }: RunFailure, t: Translate): string {
  const own = Object.hasOwn(words, reason) ? words[reason] : undefined;
  return own ? t('{0} It says: {1}', own(t), message) : message;
}
