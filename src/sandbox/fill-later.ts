import type { GraphFill } from './fill-graph.js';
import type { VectorFill } from './fill-vectors.js';
import { changedLater, storedLater, type LaterMemory } from './population/later.js';
import type { Population, PopulationOptions } from './population/population.js';

/** What the service does after the backup was written. */
export interface Later {
  changed: LaterMemory[];
  stored: LaterMemory[];
}

/** @throws Failure when the population has not so many memories that can be changed. */
export function laterMemories(
  options: PopulationOptions,
  {
    changedAfterBackup = 0,
    storedAfterBackup = 0,
  }: { changedAfterBackup?: number; storedAfterBackup?: number },
): Later {
  return {
    changed: changedLater(options, changedAfterBackup),
    stored: storedLater(options, storedAfterBackup),
  };
}

/** What both stores hold now. */
interface LaterCounts {
  nodes: number;
  memories: number;
  points: number;
  changedAfterBackup: number;
  storedAfterBackup: number;
}

/**
 * Goes on where the backup ended, as the service does: some memories get another content, and new ones are stored, in
 * the graph and in the collection alike. The backup knows nothing of it.
 *
 * @throws Failure when a store does not obey.
 */
export async function fillLater(
  graph: GraphFill,
  vectors: VectorFill,
  counts: Population['counts'],
  { changed, stored }: Later,
): Promise<LaterCounts> {
  await graph.changeMemories(changed.map(({ properties }) => properties));
  await graph.storeMemories(stored.map(({ properties }) => properties));
  for (const { point } of [...changed, ...stored]) {
    await vectors.add(point, JSON.stringify(point.vector).slice(1, -1));
  }
  return {
    nodes: counts.nodes + stored.length,
    memories: counts.memories + stored.length,
    points: counts.points + stored.length,
    changedAfterBackup: changed.length,
    storedAfterBackup: stored.length,
  };
}
