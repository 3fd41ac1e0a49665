import { isMap, type Value } from '../../memory/values.js';
import type { GraphStore } from './graph-store.js';
import { decodeValue } from './reply.js';

/** An index of a graph. */
export interface GraphIndex {
  /** A label, or a relationship type. */
  label: string;
  entity: 'node' | 'relationship';
  /** Kinds of index by property: `{ "id": ["RANGE"] }`. */
  properties: Record<string, string[]>;
}

/**
 * The indexes of a graph.
 *
 * @throws Failure where the server does not answer
 */
export async function graphIndexes(store: GraphStore, graph: string): Promise<GraphIndex[]> {
  const rows = await store.rows(
    graph,
    'CALL db.indexes() YIELD label, types, entitytype RETURN label, types, entitytype',
  );
  return rows.map((row) => {
    const [label, types, entity] = row.map((cell) => decodeValue(cell));
    return {
      label: textOf(label),
      entity: textOf(entity) === 'RELATIONSHIP' ? 'relationship' : 'node',
      properties: isMap(types)
        ? Object.fromEntries(Object.entries(types).map(([name, kinds]) => [name, listOf(kinds)]))
        : {},
    };
  });
}

function listOf(value: Value): string[] {
  return Array.isArray(value) ? value.map(textOf) : [textOf(value)];
}

function textOf(value: Value | undefined): string {
  return typeof value === 'string' ? value : '';
}
