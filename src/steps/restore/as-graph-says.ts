import { differingBits, fieldsOf, fingerprintPayload } from '../../memory/fingerprint.js';
import { isPassing } from '../../memory/graph-damage.js';
import { joinKey } from '../../memory/ids.js';
import type { ValueMap } from '../../memory/values.js';
import { toCypherLiteral } from '../../stores/graph/cypher.js';
import { memoriesAt } from '../../stores/graph/memory-rows.js';
import type { StepContext } from '../step.js';

/**
 * Which of some points say what the live graph says of them, to the time of their last change: the service wrote both, so
 * the point is as it should be.
 *
 * @param keys joined ids
 * @param payloads by joined id
 */
export async function asGraphSays(
  { graph, graphName }: Pick<StepContext, 'graph' | 'graphName'>,
  keys: readonly string[],
  payloads: ReadonlyMap<string, ValueMap>,
): Promise<string[]> {
  if (keys.length === 0 || (await graph.kindOf(graphName)) !== 'graph') return [];
  // Ids may stand in the graph in capital letters, or as whole numbers.
  const list = toCypherLiteral([...keys, ...keys.map((key) => key.toUpperCase())]);
  const found = await graph.textRows(
    graphName,
    `CYPHER ids=${list} MATCH (m:Memory) WHERE toString(m.id) IN $ids RETURN id(m)`,
  );
  const rows = await memoriesAt(
    graph,
    graphName,
    found.map(([id]) => Number(id)),
  );
  return rows.flatMap(({ id, properties }) => {
    const key = id === null ? '' : joinKey(id);
    const payload = payloads.get(key);
    return payload !== undefined && isAsSaid(payload, properties) ? [key] : [];
  });
}

function isAsSaid(payload: ValueMap, properties: ValueMap): boolean {
  const bits = differingBits(payload, properties, fingerprintPayload(payload).provided);
  return fieldsOf(bits).every((field) => field !== 'updated_at' && isPassing(field));
}
