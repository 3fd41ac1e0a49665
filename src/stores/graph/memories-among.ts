import { joinKey } from '../../memory/ids.js';
import { toCypherLiteral } from './cypher.js';
import type { GraphStore } from './graph-store.js';

/** Which of these joined ids a memory has, asked in one query; at most as many ids as the result cap. */
export async function memoriesAmong(
  store: GraphStore,
  graph: string,
  ids: readonly string[],
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  // Ids may stand in the graph in capital letters, or with braces.
  const list = toCypherLiteral([...ids, ...ids.map((id) => id.toUpperCase())]);
  const rows = await store.textRows(
    graph,
    `CYPHER ids=${list} MATCH (m:Memory) WHERE m.id IN $ids RETURN DISTINCT m.id`,
  );
  return new Set(rows.flatMap(([id]) => (id == null ? [] : [joinKey(id)])));
}
