import { isLocalTrouble } from '../../backup/sqlite/local-trouble.js';
import { ExitCode, Failure } from '../../failure.js';
import type { FoundSqliteBackup, PassedOver, SqliteChoice } from './find-sqlite.js';

/** What came of the first copy that could be restored. */
export interface RestoredCopy<T> {
  result: T;
  copy: FoundSqliteBackup;
  passedOver: PassedOver[];
}

/**
 * Restores a backup from the first of its copies that passes its proof: nothing at the target is touched before that, so that
 * the next one can be tried.
 *
 * @throws what the best copy failed with, where none passes, with what the others said; at once, what speaks against no copy
 */
export async function restoreFirstSound<T>(
  { copies, passedOver }: SqliteChoice,
  signal: AbortSignal,
  restore: (copy: FoundSqliteBackup) => Promise<T>,
): Promise<RestoredCopy<T>> {
  const failed: { copy: FoundSqliteBackup; failure: Failure }[] = [];
  for (const copy of copies) {
    try {
      const result = await restore(copy);
      const tried = failed.map((one) => told(one.copy, one.failure.reason));
      const untried = copies
        .slice(failed.length + 1)
        .flatMap((other) => (other.objection === null ? [] : [told(other, other.objection)]));
      return { result, copy, passedOver: [...passedOver, ...tried, ...untried] };
    } catch (error) {
      if (signal.aborted || !speaksAgainst(error, copy)) throw error;
      failed.push({ copy, failure: error });
    }
  }
  throw withOthers(failed);
}

function told({ file, place }: FoundSqliteBackup, reason: string): PassedOver {
  return { timestamp: file.timestamp, place, reason };
}

/** Whether another copy may be better. */
function speaksAgainst(error: unknown, { file }: FoundSqliteBackup): error is Failure {
  if (!(error instanceof Failure) || isLocalTrouble(error)) return false;
  const { exitCode, code, subject } = error;
  if (exitCode === ExitCode.nothingToRecoverFrom || exitCode === ExitCode.unreachable) return true;
  return subject === file.path || code.startsWith('backup-') || code.startsWith('archive-');
}

function withOthers(failed: readonly { copy: FoundSqliteBackup; failure: Failure }[]): Failure {
  const [first, ...others] = failed;
  if (first === undefined) throw new Error('a backup has a copy');
  if (others.length === 0) return first.failure;
  const { operation, subject, reason, hint, exitCode, code } = first.failure;
  const also = others.map(({ copy, failure }) => `; nor can the copy in ${copy.place}: ${failure.reason}`);
  return new Failure(
    { operation, subject, reason: `${reason}${also.join('')}`, hint, exitCode, code },
    { cause: first.failure },
  );
}
