import type { Inventory } from '../../backup/inventory/inventory.js';
import type { PairCounts } from '../../backup/manifest.js';
import { readManifest } from '../../backup/manifest.js';
import { undecrypted } from '../../backup/decrypting-archive.js';
import { isMap, numeric, type ValueMap } from '../../memory/values.js';

/** What a backup is about to read. Null of a store that is left out, or that did not tell. */
export interface ToRead extends PairCounts {
  nodes: number | null;
  /** Components of a vector. */
  dimensions: number | null;
}

/** How large a backup will be, and how long it will take, roughly. */
export interface Estimate {
  bytes: number;
  seconds: number;
  /** The timestamp of the backup that it goes by; null where there is none, and it goes by what is usual. */
  from: string | null;
}

/** What records usually take in a file, in bytes, and how many are read in a second. */
const USUAL = { node: 450, relationship: 120, point: 300, component: 5, recordsPerSecond: 4_000 };

/**
 * An estimate by the newest backup with a manifest, for each half by its own records; without one by what is usual, which may
 * be off by a factor of two.
 */
export async function estimateBackup(inventory: Inventory, toRead: ToRead): Promise<Estimate> {
  const earlier = await newestDescribed(inventory);
  const { nodes, relationships, points, dimensions } = toRead;
  const records = { graph: (nodes ?? 0) + (relationships ?? 0), vectors: points ?? 0 };
  const usual =
    (nodes ?? 0) * USUAL.node +
    (relationships ?? 0) * USUAL.relationship +
    (points ?? 0) * (USUAL.point + (dimensions ?? 0) * USUAL.component);
  if (earlier === null) {
    const seconds = (records.graph + records.vectors) / USUAL.recordsPerSecond;
    return { bytes: Math.round(usual), seconds, from: null };
  }
  const { graph, vectors, seconds, timestamp } = earlier;
  const scaled = (half: Half | null, count: number): number =>
    half === null || half.records === 0 ? 0 : (half.bytes / half.records) * count;
  const bytes = scaled(graph, records.graph) + scaled(vectors, records.vectors);
  const all = (graph?.records ?? 0) + (vectors?.records ?? 0);
  return {
    bytes: Math.round(bytes),
    seconds: all === 0 ? seconds : (seconds / all) * (records.graph + records.vectors),
    from: timestamp,
  };
}

interface Half {
  bytes: number;
  records: number;
}

interface Described {
  timestamp: string;
  seconds: number;
  graph: Half | null;
  vectors: Half | null;
}

/** Of both stores, so that it tells of whichever is asked about. */
async function newestDescribed({ backups }: Inventory): Promise<Described | null> {
  for (const { kind, complete, only, fromFuture, copies, timestamp } of backups) {
    if (kind !== 'automem' || !complete || only !== null || fromFuture) continue;
    for (const copy of copies) {
      if (copy.kind !== 'automem' || !copy.hasManifest || copy.warning !== null) continue;
      const manifest = await readManifest(undecrypted(copy.archive), copy.pair);
      if (manifest === null || typeof manifest === 'string') continue;
      return describedBy(timestamp, manifest.body);
    }
  }
  return null;
}

function describedBy(timestamp: string, body: ValueMap): Described {
  const { graph, vectors, files } = body;
  const bytesOf = (store: string): number =>
    Object.entries(isMap(files) ? files : {})
      .filter(([path]) => path.startsWith(`${store}/`))
      .reduce((sum, [, facts]) => sum + (isMap(facts) ? (numeric(facts['bytes'] ?? null) ?? 0) : 0), 0);
  const count = (of: ValueMap, name: string): number => numeric(of[name] ?? null) ?? 0;
  return {
    timestamp,
    seconds: numeric(body['seconds'] ?? null) ?? 0,
    graph: isMap(graph)
      ? { bytes: bytesOf('falkordb'), records: count(graph, 'nodes') + count(graph, 'relationships') }
      : null,
    vectors: isMap(vectors) ? { bytes: bytesOf('qdrant'), records: count(vectors, 'points') } : null,
  };
}
