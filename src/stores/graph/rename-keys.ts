import { ExitCode, Failure } from '../../failure.js';
import { graphFailure } from './connection.js';
import type { GraphStore } from './graph-store.js';

export type Rename = readonly [from: string, to: string];

/**
 * Renames keys in one transaction, in this order, and overwrites nothing. A transaction of Redis alone is not "all or none":
 * a rename whose source is gone fails, and those after it are made all the same. So the keys are WATCHed, each source must
 * be there and each target not, and where that does not hold at the end nothing is renamed. Where keys were WATCHed on
 * this connection before, the same goes for them.
 *
 * The first source is not WATCHed: it may be a graph that a service writes to all the time.
 *
 * @param also commands for the same transaction
 * @returns false where the first source went away at the very last moment, and only the others were renamed
 * @throws Failure `keys-changed`: nothing was renamed
 */
export async function renameKeys(
  store: GraphStore,
  operation: string,
  renames: readonly Rename[],
  also: readonly (readonly string[])[] = [],
): Promise<boolean> {
  const first = renames[0]?.[0];
  const keys = new Set(renames.flat());
  const watched = [...keys].filter((key) => key !== first);
  await store.command(operation, 'WATCH', ...watched);
  await proveRenames(store, operation, renames, keys);
  const transaction = store.redis.multi();
  for (const [from, to] of renames) transaction.rename(from, to);
  for (const [name = '', ...args] of also) transaction.call(name, ...args);
  let replies: [Error | null, unknown][] | null;
  try {
    replies = await transaction.exec();
  } catch (error) {
    throw graphFailure(operation, store.address, error);
  }
  const subject = renames.map(([from]) => from).join(', ');
  // The server gives no replies where a watched key changed.
  if (replies === null) throw keysChanged(operation, subject, 'it was changed at that moment');
  const failed = replies.findIndex(([error]) => error !== null);
  if (failed === -1) return true;
  if (failed === 0 && renames.length > 1 && /no such key/i.test(replies[0]?.[0]?.message ?? '')) return false;
  throw graphFailure(operation, store.address, replies[failed]?.[0]);
}

/** Follows the renames one by one: an earlier one may make room for a later one. */
async function proveRenames(
  store: GraphStore,
  operation: string,
  renames: readonly Rename[],
  keys: ReadonlySet<string>,
): Promise<void> {
  const there = new Set<string>();
  for (const key of keys) if ((await store.kindOf(key)) !== 'none') there.add(key);
  for (const [from, to] of renames) {
    const wrong = !there.has(from)
      ? `"${from}" is not there`
      : there.has(to)
        ? `"${to}" is there already`
        : null;
    if (wrong !== null) {
      await store.command(operation, 'UNWATCH');
      throw keysChanged(operation, from, wrong);
    }
    there.delete(from);
    there.add(to);
  }
}

function keysChanged(operation: string, subject: string, reason: string): Failure {
  return new Failure({
    operation,
    subject,
    reason,
    hint: 'Nothing was renamed. Look for another program that changes these keys, then run the command again.',
    exitCode: ExitCode.failed,
    code: 'keys-changed',
  });
}
