import { setTimeout as sleep } from 'node:timers/promises';
import { MEMORY_LABEL } from '../memory/contract.js';
import { joinKey, pointId } from '../memory/ids.js';
import { decodePayload } from '../memory/payload.js';
import { storableProperties } from '../stores/graph/storable.js';
import { batches, nodesAt } from '../stores/graph/live-pages.js';
import type { NewNode } from '../stores/graph/live-writer.js';
import { memoryIdRows } from '../stores/graph/memory-rows.js';
import { isFew } from './few.js';
import type { GraphMark } from './graph-mark.js';
import { liveWriter } from './guarded-writers.js';
import { Origin } from './source-index.js';
import type { StepContext } from './step.js';

/** Points fetched at once. */
const BATCH = 500;
/** The service deletes a memory's node first and its point right after: where only one of them is there, we look again. */
const SETTLE_MS = 1_000;
/** A service that is busy is slow to delete the point: a memory must not come back for that. */
const LOOKS = 3;

/** What was done for memories whose points came or went during the run. */
export interface PointTally {
  made: number;
  deleted: number;
}

/** Of these, the looks at the live graph tell nothing. */
const NOT_LIVE = [Origin.Payload, Origin.Backup, Origin.Merged] as const;

interface Suspects {
  /** Points that came after the collection was read and have no memory. */
  lacking: string[];
  /** Memories that came from elsewhere than the live graph, and whose point is gone since; with their internal ids. */
  vanished: Map<string, number>;
}

/**
 * Settles the memories whose points came or went since the collection was read. The service writes the node first and
 * deletes it first: a point that came is nearly always of a memory that is in the graph already; and a point that went, of a
 * memory that the live graph did not have when it was read, says that the service had deleted that memory right before.
 */
export async function catchUpPoints(context: StepContext, mark: GraphMark): Promise<PointTally> {
  const { vectors, collection, signal } = context;
  const nothing = { made: 0, deleted: 0 };
  if (mark.points === null) return nothing;
  if (mark.settled && (await vectors.count(collection)) === mark.points) return nothing;
  let suspects = await findSuspects(context);
  if (suspects.lacking.length === 0 && suspects.vanished.size === 0) return nothing;
  for (let look = 0; look < LOOKS && (look === 0 || suspects.lacking.length > 0); look++) {
    await sleep(SETTLE_MS, undefined, { signal });
    suspects = await findSuspects(context);
  }
  const { lacking, vanished } = suspects;
  let made = 0;
  for (const batch of batches(lacking, BATCH)) made += await makeMemories(context, batch);
  return { made, deleted: await deleteVanished(context, vanished) };
}

async function findSuspects(context: StepContext): Promise<Suspects> {
  const { vectors, collection, graph, graphName, work } = context;
  const aside = new Set(work.quarantinedPoints);
  const lacking = new Set<string>();
  const vanished = new Set<string>();
  for (const { key } of work.index?.entries(...NOT_LIVE) ?? []) vanished.add(key);
  for await (const page of vectors.scroll(collection, { payload: false, numbers: 'fast' })) {
    for (const { id } of page) {
      const key = joinKey(id);
      vanished.delete(key);
      // A process that took over does not know which points were read: it looks at all of them.
      if ((work.index === null || work.index.find(key) < 0) && !aside.has(key)) lacking.add(key);
    }
  }
  const found = new Map<string, number>();
  if (lacking.size === 0 && vanished.size === 0) return { lacking: [], vanished: found };
  for await (const page of memoryIdRows(graph, graphName)) {
    for (const { id, internalId } of page) {
      if (id === null) continue;
      const key = joinKey(id);
      lacking.delete(key);
      if (vanished.has(key)) found.set(key, internalId);
    }
  }
  return { lacking: [...lacking], vanished: found };
}

async function deleteVanished(context: StepContext, vanished: ReadonlyMap<string, number>): Promise<number> {
  const { graph, graphName, work, notice } = context;
  if (vanished.size === 0) return 0;
  if (!isFew(vanished.size, work.index?.size ?? 0)) {
    notice(
      `${vanished.size} points vanished during the run, too many to have been deleted one by one; their memories are kept.`,
    );
    return 0;
  }
  const nodes = await nodesAt(graph, graphName, [...vanished.values()]);
  const doomed = [...nodes.values()].flatMap(({ internalId, properties: { id, updated_at: updated } }) =>
    typeof id === 'string' && vanished.get(joinKey(id)) === internalId
      ? [{ internalId, still: { id, ...(typeof updated === 'string' ? { updated_at: updated } : {}) } }]
      : [],
  );
  const deleted = await liveWriter(context, graph).deleteNodes(doomed);
  return deleted.size;
}

async function makeMemories(context: StepContext, keys: readonly string[]): Promise<number> {
  const { vectors, collection, graph } = context;
  // Points that were deleted meanwhile are left out.
  const points = await vectors.retrieve(collection, keys.map(pointId), { payload: true, numbers: 'exact' });
  const nodes: NewNode[] = [];
  for (const { id, payload } of points) {
    const key = joinKey(id);
    const decoded = decodePayload(key, payload);
    if (!decoded.ok) {
      context.quarantine({ kind: 'memory', id: key, reason: decoded.reason, record: payload });
      context.work.quarantinedPoints.push(key);
      continue;
    }
    for (const { field, rule } of decoded.salvaged) context.salvage(key, field, rule);
    const { kept, refused } = storableProperties(decoded.properties);
    for (const name of refused) {
      const reason = 'the graph cannot hold its value';
      context.quarantine({
        kind: 'property',
        id: `${key} ${name}`,
        reason,
        record: decoded.properties[name],
      });
    }
    nodes.push({ labels: [MEMORY_LABEL], properties: kept });
  }
  await liveWriter(context, graph).createNodes(nodes);
  return nodes.length;
}
