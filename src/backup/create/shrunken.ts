import { Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { readBeside } from '../beside-file.js';
import { grouped } from '../grouped.js';
import { besidePath } from '../layout.js';
import { countsOf, parseManifest, type PairCounts } from '../manifest.js';
import { living, type Target } from './half-file.js';

/** Backups before this one that are asked: one of a single store says nothing of the other. */
const MAX_ASKED = 3;

const COUNTED = ['memories', 'relationships', 'points'] as const satisfies readonly (keyof PairCounts)[];

/**
 * Says where a backup holds less than half of what the newest one before it does, of all that lie where it goes: a store
 * that lost most of what it held is backed up as what it is. Reads their manifests alone; what cannot be read says nothing.
 *
 * @param counts what the new one holds; null of a store that is not backed up
 */
export async function shrunkenSince(
  targets: readonly Target[],
  timestamp: string,
  counts: PairCounts,
): Promise<string[]> {
  const earlier = await earlierManifests(targets, timestamp);
  const open = new Set(COUNTED.filter((name) => counts[name] !== null));
  const warnings: string[] = [];
  for (const { archive, path, before } of earlier.slice(0, MAX_ASKED)) {
    const held = open.size === 0 ? null : await countsAt(archive, path);
    for (const name of held === null ? [] : [...open]) {
      const [then, now] = [held?.[name] ?? null, counts[name] ?? 0];
      if (then === null) continue;
      open.delete(name);
      if (now * 2 < then)
        warnings.push(
          `${grouped(now)} ${name}; the backup before (${before}) holds ${grouped(then)}. If that is not meant: lifeboat validate`,
        );
    }
  }
  return warnings;
}

interface Earlier {
  archive: Archive;
  path: string;
  before: string;
}

/** Newest first; one of each timestamp. */
async function earlierManifests(targets: readonly Target[], timestamp: string): Promise<Earlier[]> {
  const found = new Map<string, Earlier>();
  for (const { archive } of living(targets)) {
    for (const { path } of await quietly(() => archive.list(), [])) {
      const before = /lifeboat_(\d{8}_\d{6})\.manifest\.json$/.exec(path)?.[1];
      if (before === undefined || before >= timestamp || found.has(before)) continue;
      if (path === archive.base + besidePath('manifest', before))
        found.set(before, { archive, path, before });
    }
  }
  return [...found.values()].sort((a, b) => (a.before < b.before ? 1 : -1));
}

async function countsAt(archive: Archive, path: string): Promise<PairCounts | null> {
  const text = await quietly(() => readBeside(archive, path), null);
  const manifest = text === null ? null : parseManifest(path, text);
  return manifest === null || typeof manifest === 'string' ? null : countsOf(manifest);
}

/** No backup fails because an earlier one cannot be read. */
async function quietly<T>(read: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Failure) return otherwise;
    throw error;
  }
}
