import { ID_PROPERTY } from '../../memory/contract.js';
import { damageInGraph } from '../../memory/graph-damage.js';
import { newerInPayload } from '../../memory/newer-payload.js';
import { storableProperties } from '../../stores/graph/storable.js';
import type { ChangedNode } from '../../stores/graph/live-writer.js';
import { noDifferences, type MemoryIds } from '../differences.js';
import { liveWriter } from '../guarded-writers.js';
import type { StepContext } from '../step.js';
import { damagedAmong, type DamagedMemory } from './find-damage.js';

/** Properties that a node must still have, or the service is at work on it: it is then left to the next comparison. */
const GUARDS = [ID_PROPERTY, 'updated_at', 'type'] as const;

/**
 * Gives nodes back the fields that are damaged in them and whole in their payloads.
 *
 * @returns what was done, null where there was nothing to do
 */
export async function mendNodes(context: StepContext): Promise<string | null> {
  const { damaged } = context.work.differences ?? noDifferences();
  const { count, fields } = await takeFromPayloads(context, damaged, damageInGraph);
  if (count === 0) return null;
  context.notice(
    `In ${count} memories a field of the graph was damaged and the payload's was not (${fields}): there the payload decided, so that the damage does not reach both stores.`,
  );
  return `${count} damaged memories mended from their payloads (${fields})`;
}

/**
 * Gives nodes what their payloads say where these were updated later, as after the graph was set back to an older day.
 *
 * @returns what was done, null where there was nothing to do
 */
export async function bringNewer(context: StepContext): Promise<string | null> {
  const { newer } = context.work.differences ?? noDifferences();
  const { count, fields } = await takeFromPayloads(context, newer, newerInPayload);
  if (count === 0) return null;
  context.notice(
    `The payloads of ${count} memories were updated later than the graph (${fields}): there the payload decided, so that what is newer is not lost. salvage.ndjson names them.`,
  );
  return `${count} memories got what their newer payloads say (${fields})`;
}

/** Empties the selection: what could not be changed is found by the next comparison. */
async function takeFromPayloads(
  context: StepContext,
  selection: MemoryIds,
  rule: typeof damageInGraph,
): Promise<{ count: number; fields: string }> {
  const writer = liveWriter(context, context.graph);
  const fields = new Set<string>();
  const total = selection.size;
  let count = 0;
  for await (const found of damagedAmong(context, selection, rule)) {
    const memories = found.filter(({ damage }) => storableProperties(damage.set).refused.length === 0);
    await context.changes.check();
    const changed = await writer.addProperties(memories.map(changeOf));
    for (const { key, row, damage } of memories) {
      if (!changed.has(row.internalId)) continue;
      count++;
      for (const { field, rule: said } of damage.salvaged) {
        fields.add(field);
        context.salvage(key, field, said);
      }
    }
    context.progress('memories mended', count, total);
  }
  selection.clear();
  return { count, fields: [...fields].join(', ') };
}

function changeOf({ row, damage }: DamagedMemory): ChangedNode {
  const still: Record<string, string> = {};
  for (const name of GUARDS) {
    const value = name === ID_PROPERTY ? row.id : row.properties[name];
    if (typeof value !== 'string') continue;
    // An integer id was read as text, which it does not equal.
    if (name !== ID_PROPERTY || !/^\d+$/.test(value)) still[name] = value;
  }
  return { internalId: row.internalId, still, properties: damage.set };
}
