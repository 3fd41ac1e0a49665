import { differingBits, fieldsOf, fingerprintPayload } from '../../memory/fingerprint.js';
import { damageInGraph, type GraphDamage } from '../../memory/graph-damage.js';
import { joinKey } from '../../memory/ids.js';
import type { Value, ValueMap } from '../../memory/values.js';
import { isUndecided, newerInPayload } from '../../memory/newer-payload.js';
import { batches } from '../../stores/graph/live-pages.js';
import { memoriesAt, type MemoryRow } from '../../stores/graph/memory-rows.js';
import type { Differences, MemoryIds } from '../differences.js';
import { pointId } from '../source-index.js';
import type { StepContext } from '../step.js';

/** Memories that are looked at together. */
const BATCH = 500;

/** What a payload knows better than its node; null where the graph decides. */
type PayloadRule = (properties: ValueMap, payload: Value) => GraphDamage | null;

/** A memory with fields that its payload knows better. */
export interface DamagedMemory {
  /** Joined id. */
  key: string;
  row: MemoryRow;
  payload: Value;
  damage: GraphDamage;
}

/**
 * Finds, among the memories that differ from their payloads, those whose node is damaged where the payload is whole, and
 * notes them as such. What still differs once the node is mended stays noted as it was.
 */
export async function noteDamage(context: StepContext, found: Differences): Promise<void> {
  const suspects = new Map([...found.stale, ...found.changed]);
  for await (const memories of damagedAmong(context, suspects, damageInGraph)) {
    for (const { key, row, payload, damage } of memories) {
      found.damaged.set(key, row.internalId);
      const left = leftToDo({ ...row.properties, ...damage.set }, payload);
      if (left.includes('content')) continue;
      // The vector is of the very content that the node gets back.
      found.changed.delete(key);
      if (left.length === 0) found.stale.delete(key);
      else found.stale.set(key, row.internalId);
    }
  }
}

/**
 * Finds, among the memories that differ from their payloads, those whose payload was updated later than the node, or may
 * have been. They leave every other list: a vector or a payload made of the older node would take the newer text's place.
 *
 * @param differing memories of whatever class that differ from their payloads in some shared field
 */
export async function noteNewer(
  context: StepContext,
  found: Differences,
  differing: MemoryIds,
): Promise<void> {
  if (!maybeNewer(context)) return;
  for await (const memories of damagedAmong(context, differing, newerOrUndecided)) {
    for (const { key, row, damage } of memories) {
      (damage === UNDECIDED ? found.undecided : found.newer).set(key, row.internalId);
      for (const kind of ['missing', 'changed', 'placeholders', 'stale'] as const) found[kind].delete(key);
    }
  }
}

const UNDECIDED: GraphDamage = { set: {}, salvaged: [] };

function newerOrUndecided(properties: ValueMap, payload: Value): GraphDamage | null {
  return newerInPayload(properties, payload) ?? (isUndecided(properties, payload) ? UNDECIDED : null);
}

/** Where a backup is put back, the graph is older because it was asked to be: there it decides, as over everything. */
export function maybeNewer({ work }: StepContext): boolean {
  return work.pair === null;
}

/** As both stores are at this moment. Memories of which either half is gone, or whose node another one took, are left out. */
export async function* damagedAmong(
  { graph, graphName, vectors, collection, signal }: StepContext,
  suspects: MemoryIds,
  rule: PayloadRule,
): AsyncGenerator<DamagedMemory[]> {
  for (const batch of batches([...suspects], BATCH)) {
    signal.throwIfAborted();
    const ids = batch.map(([key]) => pointId(key));
    const [rows, points] = await Promise.all([
      memoriesAt(
        graph,
        graphName,
        batch.map(([, internalId]) => internalId),
      ),
      vectors.retrieve(collection, ids, { payload: true, numbers: 'exact' }),
    ]);
    const payloads = new Map(points.map(({ id, payload }) => [joinKey(id), payload]));
    yield rows.flatMap((row): DamagedMemory[] => {
      const key = row.id === null ? '' : joinKey(row.id);
      const payload = payloads.get(key);
      if (payload === undefined || suspects.get(key) !== row.internalId) return [];
      const damage = rule(row.properties, payload);
      return damage === null ? [] : [{ key, row, payload, damage }];
    });
  }
}

function leftToDo(mended: ValueMap, payload: Value): string[] {
  return fieldsOf(differingBits(payload, mended, fingerprintPayload(payload).provided));
}
