import { tmpdir } from 'node:os';
import { takeInventory, type Inventory } from '../../backup/inventory/inventory.js';
import { ENCRYPTED_SUFFIX, timestampOf } from '../../backup/layout.js';
import { checkSource } from '../../backup/sqlite/back-up-sqlite.js';
import { sqliteBesidePath, sqlitePath } from '../../backup/sqlite/names.js';
import { formatBytes, formatNumberOf } from '../../report/format.js';
import type { Settings } from '../../settings/settings.js';
import { makePrivateFolder } from '../../stores/archive/private-folder.js';
import { describeMemoryStore } from '../../stores/sqlite/memory-store.js';
import { openMemoryStore } from '../../stores/sqlite/open-memory-store.js';
import type { Estimate } from './create-estimate.js';
import {
  checked,
  checkPlaces,
  checkRecipients,
  exitCodeOf,
  type BackupPreview,
  type Check,
  type DryRunOptions,
} from './create-dry-run.js';
import { backupPlaces } from './places.js';

/** Bytes of a store that are copied, proven and compressed in a second, roughly. */
const BYTES_PER_SECOND = 40_000_000;

/**
 * Goes through everything that a backup of a SQLite store depends on, and writes nothing.
 *
 * @param path absolute, of the store
 * @throws Failure (exit 2) where a bucket is asked for and none is set
 */
export async function previewSqlite(
  settings: Settings,
  path: string,
  { to, encrypt, now }: Omit<DryRunOptions, 'only'>,
): Promise<BackupPreview> {
  const archives = backupPlaces(settings, to);
  const timestamp = timestampOf(now);
  const files = [
    sqlitePath(timestamp) + (encrypt ? ENCRYPTED_SUFFIX : ''),
    sqliteBesidePath('manifest', timestamp),
  ];
  const store: StoreFacts = { bytes: 0, memories: null, relationships: null, points: null };
  const checks = [...(encrypt ? [await checkRecipients(settings)] : []), await checkStore(path, store)];
  const inventory = await takeInventory(archives, now);
  const estimate = estimateOf(inventory, path, store.bytes);
  checks.push(...(await checkPlaces(archives, files[0] ?? '', inventory, estimate)));
  const { memories, relationships, points } = store;
  return {
    ...{ timestamp, only: null, encrypted: encrypt, checks, estimate, files, source: `sqlite:${path}` },
    counts: { nodes: null, memories, relationships, points, dimensions: null },
    exitCode: exitCodeOf(checks),
  };
}

interface StoreFacts {
  /** Of the database; 0 where it could not be opened. */
  bytes: number;
  memories: number | null;
  /** Edges of its graph table. */
  relationships: number | null;
  /** Its vectors. */
  points: number | null;
}

function checkStore(path: string, facts: StoreFacts): Promise<Check> {
  return checked('store', path, async () => {
    const store = await openMemoryStore(path);
    try {
      const folder = await makePrivateFolder(tmpdir());
      try {
        checkSource(store, folder);
      } finally {
        await folder.close();
      }
      const { memories, graphRows, embeddings } = describeMemoryStore(store);
      const bytes = store.bytes();
      Object.assign(facts, { bytes, memories, relationships: graphRows, points: embeddings?.rows ?? null });
      return `${formatNumberOf(memories, 'memory', 'memories')}, ${formatBytes(bytes)}, integrity checked`;
    } finally {
      store.close();
    }
  });
}

/** By the newest backup of this store; without one it is no larger than the store. @param bytes of the store */
function estimateOf({ backups }: Inventory, path: string, bytes: number): Estimate {
  const seconds = bytes / BYTES_PER_SECOND;
  const earlier = backups.find(
    ({ kind, source, complete }) => kind === 'sqlite' && complete && source === path,
  );
  return earlier === undefined
    ? { bytes, seconds, from: null }
    : { bytes: earlier.bytes, seconds, from: earlier.timestamp };
}
