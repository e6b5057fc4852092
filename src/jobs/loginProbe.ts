// What one connection check asks the login shell, and how the answers are read. Text only; opens nothing.
// The layout of `lfs quota` is from the Lustre manual and was never seen on the real Furo.
import { shellQuote } from '../ssh/shellQuote';

/** Marks where the command's own output begins; what stands before it was printed by the shell's start-up files. */
const mark = 'furo-check';

/** Means the same in sh, bash, zsh, csh, tcsh and fish. */
export const shellCommand = `echo ${mark} $SHELL`;

export interface ShellAnswer {
  /** Path of the login shell; empty when the machine does not tell. */
  readonly shell: string;
  /** First line that did not come from the command. */
  readonly noise: string | undefined;
}

/** Undefined when the command's own line is missing: the shell did not run it. */
export function readShellAnswer(stdout: string, stderr: string): ShellAnswer | undefined {
  const lines = stdout.split('\n').map((line) => line.trim());
  const at = lines.findIndex((line) => line === mark || line.startsWith(`${mark} `));
  if (at < 0) return undefined;
  const others = [...lines.slice(0, at), ...lines.slice(at + 1), ...stderr.split('\n')];
  const noise = others.find((line) => line.trim() !== '')?.trim();
  return { shell: lines[at]?.slice(mark.length + 1).trim() ?? '', noise };
}

/** Tells in lines `key=value` what is there. The answers of `pjstat` itself do not matter, only whether it works. */
export const pjmScript = `export LC_ALL=C
echo "path=$PATH"
echo "now=$(date +%s)"
echo "pjsub=$(command -v pjsub)"
if command -v pjstat > /dev/null 2>&1; then
  text=$(pjstat 2>&1 > /dev/null); echo "pjstat=$?"
  echo "pjstatText=$(printf '%s\\n' "$text" | head -n 1)"
fi
`;

/** Room below a folder that exists: of the file system, and of the user's quota where Lustre or `quota` tells it. */
export function spaceScript(folder: string): string {
  return `export LC_ALL=C
folder=${shellQuote(folder)}
echo "freeKiB=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }')"
if command -v lfs > /dev/null 2>&1; then
  echo "quota=$(lfs quota -q -u "$(id -un)" "$folder" 2>/dev/null | tr -s ' \\t\\n' ' ')"
fi
`;
}

/** Lines `key=value`; others are noise of the site. */
export function readPairs(stdout: string): ReadonlyMap<string, string> {
  return new Map(
    [...stdout.matchAll(/^([A-Za-z]+)=(.*)$/gm)].map(([, key = '', value = '']) => [
      key,
      value.trim(),
    ]),
  );
}

/**
 * Percentage of the quota that is used, of bytes or of files, whichever is more; undefined without a limit. The line of
 * `lfs quota -q` is `path kbytes quota limit grace files quota limit grace`; `*` marks a number over its quota.
 */
export function readQuota(line: string | undefined): number | undefined {
  const [, kbytes, softKbytes, hardKbytes, , files, softFiles, hardFiles] = (line ?? '')
    .trim()
    .split(' ')
    .map((word) => Number(word.replace('*', '')));
  const shares = [share(kbytes, softKbytes, hardKbytes), share(files, softFiles, hardFiles)].filter(
    (value) => value !== undefined,
  );
  return shares.length === 0 ? undefined : Math.round(Math.max(...shares));
}

function share(used = NaN, soft = NaN, hard = NaN): number | undefined {
  const limit = hard > 0 ? hard : soft;
  const percent = (100 * used) / limit;
  return limit > 0 && Number.isFinite(percent) ? percent : undefined;
}
