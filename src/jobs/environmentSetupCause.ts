// Why conda or pip failed, read from what they printed. The texts are theirs; each pattern says whose.
import type { Failure, FailureValues } from '../base/failure';
import { jobFailure, type JobFailureReason } from './failures';

const causes: readonly (readonly [reason: JobFailureReason, pattern: RegExp])[] = [
  // strerror of ENOSPC and EDQUOT, as Python and conda print it.
  [
    'environmentNoSpace',
    /No space left on device|Disk quota exceeded|NoSpaceLeftError|Errno (?:28|122)\b/,
  ],
  // conda's HTTP errors, urllib3 within pip, the resolver of the C library.
  [
    'environmentNoNetwork',
    /CondaHTTPError|CondaSSLError|HTTP 000|ProxyError|NewConnectionError|ConnectTimeoutError|Temporary failure in name resolution|Name or service not known|Network is unreachable|Connection (?:timed out|refused)|Could not resolve host/,
  ],
  // conda's solvers, then pip's.
  [
    'environmentNoVersion',
    /ResolvePackageNotFound|PackagesNotFoundError|UnsatisfiableError|LibMambaUnsatisfiable|No matching distribution found|Could not find a version|ResolutionImpossible/,
  ],
];

/** The failure that fits what was printed last; `detail` is the line that told it. */
export function causeOfFailure(lines: readonly string[], values: FailureValues): Failure {
  for (const [reason, pattern] of causes) {
    const detail = lines.findLast((line) => pattern.test(line))?.trim();
    if (detail !== undefined) return jobFailure(reason, { ...values, detail });
  }
  const detail = lines.findLast((line) => line.trim() !== '')?.trim() ?? '';
  return jobFailure('environmentFailed', { ...values, detail });
}
