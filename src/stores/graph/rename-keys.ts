import { ExitCode, Failure } from '../../failure.js';
import { graphFailure } from './connection.js';
import type { GraphStore } from './graph-store.js';

/**
 * Renames keys in one transaction: all or none. Where keys are WATCHed on this connection and one of them was changed
 * since, none is renamed.
 *
 * @throws Failure `keys-changed` where a watched key was changed
 */
export async function renameKeys(
  store: GraphStore,
  operation: string,
  renames: readonly (readonly [from: string, to: string])[],
): Promise<void> {
  const transaction = store.redis.multi();
  for (const [from, to] of renames) transaction.rename(from, to);
  let replies: [Error | null, unknown][] | null;
  try {
    replies = await transaction.exec();
  } catch (error) {
    throw graphFailure(operation, store.address, error);
  }
  // The server gives no replies where a watched key changed.
  if (replies === null) {
    throw new Failure({
      operation,
      subject: renames.map(([from]) => from).join(', '),
      reason: 'it was changed at that moment',
      hint: 'Nothing was renamed. Run the command again.',
      exitCode: ExitCode.failed,
      code: 'keys-changed',
    });
  }
  const failed = replies.find(([error]) => error !== null)?.[0];
  if (failed != null) throw graphFailure(operation, store.address, failed);
}
