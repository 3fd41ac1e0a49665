import { ExitCode, Failure } from '../../failure.js';

/** Nothing is wrong with the way to the place: what is set does not say how to go there. */
const OF_SETTINGS: ReadonlySet<string> = new Set(['s3-no-credentials', 's3-no-region']);

/**
 * What a place says that cannot be listed, to whoever writes: it is the backup that is not made, a bucket that is not there is
 * no lack of backups, and what is not set is a matter of settings.
 */
export function asOfWriting(listed: Failure): Failure {
  const { subject, reason, hint, code, exitCode } = listed;
  return new Failure(
    {
      ...{ operation: 'write the backup', subject, reason, hint, code },
      exitCode: OF_SETTINGS.has(code)
        ? ExitCode.usage
        : exitCode === ExitCode.nothingToRecoverFrom
          ? ExitCode.failed
          : exitCode,
    },
    { cause: listed },
  );
}
