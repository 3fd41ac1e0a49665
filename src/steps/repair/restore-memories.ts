import { MEMORY_LABEL } from '../../memory/contract.js';
import { joinKey } from '../../memory/ids.js';
import { mergeWithBackup } from '../../memory/merge.js';
import { decodePayload } from '../../memory/payload.js';
import { addCount, type GraphNode, type Value } from '../../memory/values.js';
import { storableProperties, withoutUnsoundNames } from '../../stores/graph/storable.js';
import { batches } from '../../stores/graph/live-pages.js';
import type { NewNode } from '../../stores/graph/live-writer.js';
import { liveWriter } from '../guarded-writers.js';
import { identity } from '../identity.js';
import { pointId } from '../source-index.js';
import type { StepContext } from '../step.js';
import { tellLossOnce } from '../vectors/losses.js';
import { bringRelationships, resolve } from './bring-relationships.js';
import { LiveNames } from './live-names.js';
import { writeOwed } from './owed.js';
import { readBackup, type BackupExcerpt } from './read-backup.js';
import { withoutMemory } from './without-memory.js';

/** Points whose payloads are read, and nodes that are made, at once. */
const BATCH = 2_000;

/**
 * Brings memories back from their points: as the newest backup has them where it does, with what the payload says
 * differently, else from the payload alone; then their relationships of the backup. The backup is read to its end before
 * anything is written.
 *
 * @param orphans joined ids of points without a memory
 * @param owed joined ids of memories that came back before, and may lack relationships
 */
export async function restoreMemories(
  context: StepContext,
  orphans: readonly string[],
  owed: readonly string[],
): Promise<string> {
  const { work } = context;
  const ids = new Set([...owed, ...orphans]);
  const names = await LiveNames.read(context);
  const excerpt = await readBackup(context, names.byIdentity, ids);
  await writeOwed(context, [...ids]);
  const restored = await createMemories(context, names, orphans, excerpt);
  const relationships = await bringOwed(context, names, excerpt, restored);
  await writeOwed(context, []);
  work.restored.memories += restored.size;
  work.restored.nodes += restored.size;
  return `${restored.size} memories brought back, with ${relationships} relationships of the backup`;
}

/** @returns joined ids of those that were made → internal ids */
async function createMemories(
  context: StepContext,
  names: LiveNames,
  orphans: readonly string[],
  excerpt: BackupExcerpt | null,
): Promise<Map<string, number>> {
  const writer = liveWriter(context, context.graph);
  const restored = new Map<string, number>();
  for (const batch of batches(orphans, BATCH)) {
    context.signal.throwIfAborted();
    const made = await nodesFor(context, batch, excerpt);
    const absent = new Set(await withoutMemory(context, [...made.keys()]));
    const nodes = [...made].filter(([key]) => absent.has(key));
    await context.changes.check();
    const internalIds = await writer.createNodes(nodes.map(([, node]) => node));
    for (const [at, [key, node]] of nodes.entries()) {
      const internalId = internalIds[at] as number;
      restored.set(key, internalId);
      const name = identity(node);
      if (name !== null) names.add(name, internalId);
    }
    context.progress('memories', restored.size, orphans.length);
  }
  return restored;
}

/** Points that are gone by now had a memory that was deleted: they come back neither. */
async function nodesFor(
  context: StepContext,
  ids: readonly string[],
  excerpt: BackupExcerpt | null,
): Promise<Map<string, NewNode>> {
  const points = await context.vectors.retrieve(context.collection, ids.map(pointId), {
    payload: true,
    numbers: 'exact',
  });
  return new Map(
    points.flatMap(({ id, payload }) => {
      const key = joinKey(id);
      const node = nodeFor(context, key, payload, excerpt?.nodes.get(key));
      return node === null ? [] : [[key, node] as const];
    }),
  );
}

function nodeFor(
  context: StepContext,
  key: string,
  payload: Value,
  backup: GraphNode | undefined,
): NewNode | null {
  if (backup !== undefined) {
    const merged = mergeWithBackup(key, backup.properties, payload);
    for (const { field, rule } of merged.salvaged) context.salvage(key, field, rule);
    return storable(context, key, backup.labels, merged.properties);
  }
  const decoded = decodePayload(key, payload);
  if (!decoded.ok) {
    context.quarantine({ kind: 'memory', id: key, reason: decoded.reason, record: payload });
    return null;
  }
  for (const { field, rule } of decoded.salvaged) context.salvage(key, field, rule);
  const labels = decoded.properties['type'] === 'MetaPattern' ? [MEMORY_LABEL, 'MetaMemory'] : [MEMORY_LABEL];
  return storable(context, key, labels, decoded.properties);
}

function storable(
  context: StepContext,
  key: string,
  labels: readonly string[],
  properties: GraphNode['properties'],
): NewNode {
  const { kept, refused } = storableProperties(properties);
  const sound = withoutUnsoundNames(labels, kept);
  const reasons = refused.map((name) => ({ name, reason: 'the graph cannot hold its value' }));
  for (const { name, reason } of [...reasons, ...sound.refused])
    context.quarantine({ kind: 'property', id: `${key} ${name}`, reason, record: properties[name] });
  return { labels: sound.labels, properties: sound.properties };
}

async function bringOwed(
  context: StepContext,
  names: LiveNames,
  excerpt: BackupExcerpt | null,
  restored: ReadonlyMap<string, number>,
): Promise<number> {
  if (excerpt === null) {
    tellNoBackup(context);
    return 0;
  }
  const made = await bringRelationships(context, names, resolve(excerpt.relationships, restored), false);
  const { byRelationship } = context.work;
  // The validation expects what a rebuilt graph got, and these besides.
  if (byRelationship !== null)
    for (const [type, count] of Object.entries(made)) addCount(byRelationship, type, count);
  return tally(context, made);
}

/** Counts relationships that were made. */
export function tally({ work }: StepContext, made: Record<string, number>): number {
  const total = Object.values(made).reduce((sum, count) => sum + count, 0);
  work.restored.relationships += total;
  return total;
}

/** Told once, however often it is found. */
export function tellNoBackup({ work }: StepContext): void {
  const loss = 'There is no backup to take relationships from: those of memories that came back are gone.';
  tellLossOnce(work, loss);
}
