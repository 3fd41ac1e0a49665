import { ExitCode, Failure } from '../../failure.js';

/** What no part of a path may hold: control characters, and the separator of other systems. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const ODD = /[\u0000-\u001f\u007f\\]/;

/**
 * Makes sure that a path names a file inside an archive before something is written or removed there.
 *
 * @param base what the operator set, which may hold anything
 * @throws Failure for a path that leads out of the archive or names a hidden file
 */
export function checkPath(operation: string, place: string, path: string, base = ''): void {
  const own = path.startsWith(base) ? path.slice(base.length) : path;
  const isFine = own.split('/').every((part) => part !== '' && !part.startsWith('.') && !ODD.test(part));
  if (isFine) return;
  throw new Failure({
    operation,
    subject: `${JSON.stringify(path)} in ${place}`,
    reason: 'the path leads out of the archive, or is no name of a backup file',
    hint: 'Name a file in it, as `lifeboat backup list` shows them.',
    exitCode: ExitCode.failed,
    code: 'archive-file-unusable',
  });
}
