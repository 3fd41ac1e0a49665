import { ID_PROPERTY, MEMORY_LABEL } from '../../memory/contract.js';
import { SHARED_FIELDS } from '../../memory/fingerprint.js';
import type { Value, ValueMap } from '../../memory/values.js';
import type { GraphStore } from './graph-store.js';
import { decodeValue } from './reply.js';

/** A Memory node as far as both stores know it. */
export interface MemoryRow {
  id: string | null;
  /** The shared fields; null where the node has none. */
  properties: ValueMap;
}

// Long texts are handed over as they are; the many short fields travel as one JSON text, because a cell of its own for
// each costs the client four times as much to take apart.
const LONG_FIELDS = ['content', 'metadata'] as const;
const SHORT_FIELDS = SHARED_FIELDS.filter((field) => !(LONG_FIELDS as readonly string[]).includes(field));
const column = (field: string): string => `n.${field}`;
// A reply of texts alone does not tell the text "1" from the number 1, so the last short value says that all are texts.
const EXPECTED_TYPES = true;
// toJSON escapes nothing (seen on FalkorDB 4.16.3). A text with a quote may so become two: the number of tags and of
// values tells. One with a backslash may become another: such pages are read in the plain way.
const TAG_COUNT = `CASE WHEN typeOf(n.tags) = 'List' THEN size(n.tags) ELSE -1 END`;
const ARE_TEXTS = [ID_PROPERTY, ...LONG_FIELDS]
  .map((field) => `(n.${field} IS NULL OR typeOf(n.${field}) = 'String')`)
  .join(' AND ');
const PACKED = `n.${ID_PROPERTY}, ${LONG_FIELDS.map(column).join(', ')}, toJSON([${SHORT_FIELDS.map(column).join(', ')}, ${TAG_COUNT}, ${ARE_TEXTS}])`;
const PLAIN = [ID_PROPERTY, ...SHARED_FIELDS].map(column).join(', ');

/**
 * Every memory's id and shared fields, page by page. Whole doubles come as integers: enough for comparing, which does not
 * tell 1 from 1.0. The caller reconciles the number with a count.
 */
export async function* memoryRows(store: GraphStore, graph: string): AsyncGenerator<MemoryRow[]> {
  const range = (from: number, to: number): string =>
    `MATCH (n:${MEMORY_LABEL}) WHERE id(n) >= ${from} AND id(n) < ${to}`;
  const read = async (from: number, to: number): Promise<MemoryRow[]> => {
    const packed = await store.textRows(graph, `${range(from, to)} RETURN ${PACKED}`);
    return unpack(packed) ?? (await readPlain(store, graph, `${range(from, to)} RETURN ${PLAIN}`));
  };
  yield* store.pages(graph, read);
}

/** @returns null where a value has no JSON form (NaN, infinity, a text to escape) or a long field is not a text. */
function unpack(rows: (string | null)[][]): MemoryRow[] | null {
  try {
    return rows.map(([id, content, metadata, packed]) => {
      if (packed === null || packed === undefined || packed.includes('\\'))
        throw new SyntaxError('a text to escape');
      const short = JSON.parse(packed) as Value[];
      if (short.pop() !== EXPECTED_TYPES) throw new SyntaxError('a long field is not a text');
      const tags = short[SHORT_FIELDS.indexOf('tags')];
      const tagCount = Array.isArray(tags) ? tags.length : -1;
      if (short.pop() !== tagCount || short.length !== SHORT_FIELDS.length)
        throw new SyntaxError('a text to escape');
      const properties: ValueMap = { content: content ?? null, metadata: metadata ?? null };
      for (const [i, field] of SHORT_FIELDS.entries()) properties[field] = short[i] ?? null;
      return { id: id ?? null, properties };
    });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

async function readPlain(store: GraphStore, graph: string, query: string): Promise<MemoryRow[]> {
  return (await store.rows(graph, query)).map((row) => {
    const [id, ...values] = row.map(decodeValue);
    const properties = Object.fromEntries(SHARED_FIELDS.map((field, i) => [field, values[i] ?? null]));
    return { id: typeof id === 'string' ? id : null, properties };
  });
}
