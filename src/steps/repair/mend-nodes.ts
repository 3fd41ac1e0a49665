import { ID_PROPERTY } from '../../memory/contract.js';
import { LiveWriter, type ChangedNode } from '../../stores/graph/live-writer.js';
import { noDifferences } from '../differences.js';
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
  if (damaged.size === 0) return null;
  const writer = new LiveWriter(context.graph, context.graphName);
  const fields = new Set<string>();
  let mended = 0;
  for await (const memories of damagedAmong(context, damaged)) {
    await context.changes.check();
    const changed = await writer.addProperties(memories.map(changeOf));
    for (const { key, row, damage } of memories) {
      if (!changed.has(row.internalId)) continue;
      mended++;
      for (const { field, rule } of damage.salvaged) {
        fields.add(field);
        context.salvage(key, field, rule);
      }
    }
    context.progress('damaged memories', mended, damaged.size);
  }
  damaged.clear();
  if (mended === 0) return null;
  context.notice(
    `In ${mended} memories a field of the graph was damaged and the payload's was not (${[...fields].join(', ')}): there the payload decided, so that the damage does not reach both stores.`,
  );
  return `${mended} damaged memories mended from their payloads (${[...fields].join(', ')})`;
}

function changeOf({ row, damage }: DamagedMemory): ChangedNode {
  const still: Record<string, string> = {};
  for (const name of GUARDS) {
    const value = name === ID_PROPERTY ? row.id : row.properties[name];
    if (typeof value === 'string') still[name] = value;
  }
  return { internalId: row.internalId, still, properties: damage.set };
}
