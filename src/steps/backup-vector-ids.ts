import { gunzipStream } from '../backup/files/container.js';
import { readBackupFile } from '../backup/files/graph-file.js';
import { joinKey } from '../memory/ids.js';
import { isMap } from '../memory/values.js';
import { Failure } from '../failure.js';
import type { StepContext } from './step.js';

/**
 * The ids that had a vector when the backup was taken: tells a memory that was deleted since from one that never had a
 * vector. Reads the whole vector half, so it is asked only when such a memory turns up.
 *
 * @returns null where the half is missing or broken, so that nothing can be told.
 */
export async function backupVectorIds(context: StepContext): Promise<ReadonlySet<string> | null> {
  const { archive, backup } = context;
  if (archive === null || backup?.vectors == null) return null;
  context.notice(
    'Some memories of the backup have no vector now; reading its vector half to see whether they had one then.',
  );
  const ids = new Set<string>();
  try {
    const chunks = gunzipStream(archive, backup.vectors);
    for await (const part of readBackupFile(backup.vectors.path, chunks, new Set(['points']))) {
      context.signal.throwIfAborted();
      if (part.kind !== 'records') continue;
      for (const point of part.records) {
        const id = isMap(point) ? point['id'] : undefined;
        // Copied: a piece of the chunk's text would keep the whole chunk in memory.
        if (typeof id === 'string') ids.add(Buffer.from(joinKey(id)).toString());
        else if (typeof id === 'number' || typeof id === 'bigint') ids.add(joinKey(id));
      }
    }
    return ids;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    context.notice(
      `The vector half of the backup cannot be read (${error.reason}); those memories are brought back.`,
    );
    return null;
  }
}
