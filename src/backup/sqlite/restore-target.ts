import { readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { Failure } from '../../failure.js';
import { readFileHeader } from '../../stores/sqlite/file-header.js';
import {
  describeMemoryStore,
  requireMemoryStore,
  type MemoryStoreFacts,
} from '../../stores/sqlite/memory-store.js';
import { takeSoleUse } from '../../stores/sqlite/sole-use.js';
import { SqliteFile } from '../../stores/sqlite/sqlite-file.js';
import { diskFailure, storeFailure } from '../../stores/sqlite/sqlite-failure.js';

const OPERATION = 'replace the SQLite store';

/** Where a backup is to be restored to, and what lies there. */
export interface RestoreTarget {
  /** Absolute; where the name is a link, what it leads to. */
  path: string;
  state: 'absent' | 'store' | 'damaged' | 'foreign';
  /** What the store there holds; null where it cannot be read. */
  memories: MemoryStoreFacts | null;
  /** Null where it cannot be told without changing anything. */
  inUse: boolean | null;
}

/** What damage looks like: the reason to restore, and none to refuse. */
const DAMAGE = new Set([
  ...['sqlite-empty', 'sqlite-truncated', 'sqlite-header-damaged', 'sqlite-corrupt', 'sqlite-io'],
]);

/** A sound file of something else: most likely a mistake in the path. */
const FOREIGN = new Set(['sqlite-other-schema', 'sqlite-not-sqlite', 'sqlite-encrypted']);

/**
 * Looks at where a backup is to be restored to. Changes nothing; where no process has the store open, its write-ahead log is
 * worked in, unless it is only asked.
 *
 * @param target absolute path
 * @param force replace it even if it is something else, or in use
 * @param onlyAsk a dry run: nothing at all may change
 * @throws Failure when it must not be replaced: a folder, no rights, something else, in use
 */
export async function examineTarget(
  target: string,
  { force, onlyAsk }: { force: boolean; onlyAsk: boolean },
): Promise<RestoreTarget> {
  const path = await resolveTarget(target);
  const found = await lookInto(path);
  if (found === null) return { path, state: 'absent', memories: null, inUse: false };
  if (found.state === 'foreign' && !force) throw found.failure;
  // SQLite throws the log of a file away that it takes for none of its own: a damaged one is moved as it lies.
  const inUse = found.state === 'store' ? await isInUse(path, onlyAsk) : null;
  if (inUse === true && !force) throw inUseFailure(path);
  return { path, state: found.state, memories: found.memories, inUse };
}

/**
 * The last look before the store is replaced.
 *
 * @throws Failure `sqlite-in-use` when another process has it open, unless forced
 */
export function refuseIfInUse({ path, state }: RestoreTarget, force: boolean): void {
  if (state === 'store' && !force && takeSoleUse(path) === 'in-use') throw inUseFailure(path);
}

/** How many links are followed; what the system follows itself. */
const MAX_LINKS = 40;

/**
 * A link stays a link: what it leads to is replaced. Where that is not there, it is made there: the link says where the store
 * belongs, and a file in the link's own place would be on another disk than the operator wants.
 */
async function resolveTarget(target: string): Promise<string> {
  let path = target;
  for (let links = 0; links < MAX_LINKS; links++) {
    const end = await realpath(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw diskFailure(OPERATION, target, error);
      return null;
    });
    if (end !== null) return end;
    const folder = await realpath(dirname(path)).catch((error: unknown) => {
      throw path === target ? diskFailure(OPERATION, dirname(path), error) : nowhere(target, dirname(path));
    });
    path = join(folder, basename(path));
    const leadsTo = await readlink(path).catch(() => null);
    if (leadsTo === null) return path;
    path = resolve(folder, leadsTo);
  }
  throw diskFailure(OPERATION, target, { code: 'ELOOP' });
}

/** A disk that is not mounted looks like this. */
function nowhere(link: string, folder: string): Failure {
  return storeFailure(
    OPERATION,
    link,
    `it is a link into ${folder}, and that folder is not there`,
    'Mount the disk that it is on, or make the folder; or name another path.',
    'sqlite-link-broken',
  );
}

type Found =
  | { state: 'store'; memories: MemoryStoreFacts }
  | { state: 'damaged'; memories: null }
  | { state: 'foreign'; memories: null; failure: Failure };

async function lookInto(path: string): Promise<Found | null> {
  let file: SqliteFile | undefined;
  try {
    await readFileHeader(path);
    // Without a log nobody has it open for writing, and it can be read without leaving files beside it.
    file = (await sizeOf(`${path}-wal`)) === null ? SqliteFile.openCopy(path) : SqliteFile.openToRead(path);
    requireMemoryStore(file);
    return { state: 'store', memories: describeMemoryStore(file) };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === 'sqlite-missing') return null;
    if (DAMAGE.has(error.code)) return { state: 'damaged', memories: null };
    if (FOREIGN.has(error.code)) return { state: 'foreign', memories: null, failure: error };
    if (error.code === 'sqlite-locked') throw inUseFailure(path);
    throw error;
  } finally {
    file?.close();
  }
}

/** Closing a store works its log in, which a dry run must not. */
async function isInUse(path: string, onlyAsk: boolean): Promise<boolean | null> {
  if (onlyAsk && ((await sizeOf(`${path}-wal`)) ?? 0) > 0) return null;
  return takeSoleUse(path) === 'in-use';
}

async function sizeOf(path: string): Promise<number | null> {
  const facts = await stat(path).catch(() => null);
  return facts?.size ?? null;
}

function inUseFailure(path: string): Failure {
  return storeFailure(
    OPERATION,
    path,
    'another process has it open',
    'Stop the memory service (and every MCP client that started one), then try again.',
    'sqlite-in-use',
  );
}
