// Relative POSIX paths as a workspace writes them.

/** True for a relative path that stays inside the folder it counts from. */
export function isInsideFolder(path: string): boolean {
  if (path === '' || path.startsWith('/') || path.startsWith('~') || /[\0\\]/.test(path))
    return false;
  if (/^[A-Za-z]:/.test(path)) return false;
  let depth = 0;
  for (const part of path.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) return false;
  }
  return depth > 0;
}

/** A path inside the folder in its one spelling, as the folder lists it: `./a//b/../c` -> `a/c`. */
export function plainPath(path: string): string {
  if (!isInsideFolder(path)) return path;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** A file of that name describes jobs; the usual one lies in the folder itself. */
export function isWorkflowFile(path: string): boolean {
  return /(?:^|\/)furo\.ya?ml$/.test(path);
}

/** File name without folder and extension: `data/questions.jsonl` -> `questions`. */
export function baseName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(0, dot) : name;
}
