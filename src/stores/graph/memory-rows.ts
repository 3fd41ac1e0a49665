import { ID_PROPERTY, MEMORY_LABEL } from '../../memory/contract.js';
import { joinKey } from '../../memory/ids.js';
import { SHARED_FIELDS } from '../../memory/fingerprint.js';
import type { Value, ValueMap } from '../../memory/values.js';
import type { GraphStore } from './graph-store.js';
import { decodeValue } from './reply.js';

/** A Memory node as far as both stores know it. */
export interface MemoryRow {
  /** Unique within the graph; the server reuses it after deletes. */
  internalId: number;
  /** An integer id as decimal text, as points under integers are joined; null where there is none that can be one. */
  id: string | null;
  /** The shared fields; null where the node has none. */
  properties: ValueMap;
}

// Long texts are handed over as they are; the many short fields travel as one JSON text, because a cell of its own for
// each costs the client four times as much to take apart.
const LONG_FIELDS = ['content', 'metadata'] as const;
const SHORT_FIELDS = SHARED_FIELDS.filter((field) => !(LONG_FIELDS as readonly string[]).includes(field));
const TAGS_AT = SHORT_FIELDS.indexOf('tags');
const column = (field: string): string => `n.${field}`;
// A reply of texts alone does not tell the text "1" from the number 1, so the last short value says that all are texts.
const EXPECTED_TYPES = true;
// toJSON escapes nothing (seen on FalkorDB 4.16.3). A text with a quote may so become two: the number of tags and of
// values tells. One with a backslash may become another: such pages are read in the plain way.
const TAG_COUNT = `CASE WHEN typeOf(n.tags) = 'List' THEN size(n.tags) ELSE -1 END`;
const ARE_TEXTS = [ID_PROPERTY, ...LONG_FIELDS]
  .map((field) => `(n.${field} IS NULL OR typeOf(n.${field}) = 'String')`)
  .join(' AND ');
const PACKED = `id(n), n.${ID_PROPERTY}, ${LONG_FIELDS.map(column).join(', ')}, toJSON([${SHORT_FIELDS.map(column).join(', ')}, ${TAG_COUNT}, ${ARE_TEXTS}])`;
const PLAIN = ['id(n)', ...[ID_PROPERTY, ...SHARED_FIELDS].map(column)].join(', ');
const TEXT_ID = `CASE WHEN typeOf(n.${ID_PROPERTY}) = 'String' THEN n.${ID_PROPERTY} WHEN typeOf(n.${ID_PROPERTY}) = 'Integer' THEN toString(n.${ID_PROPERTY}) END`;
const TEXT_TYPE = `CASE WHEN typeOf(n.type) = 'String' THEN n.type END`;
const HAS_CONTENT = `CASE WHEN coalesce(n.content, '') = '' THEN 'no' ELSE 'yes' END`;
const range = (from: number, to: number): string =>
  `MATCH (n:${MEMORY_LABEL}) WHERE id(n) >= ${from} AND id(n) < ${to}`;

/**
 * Every memory's id and shared fields, page by page. Whole doubles come as integers: enough for comparing, which does not
 * tell 1 from 1.0. The caller reconciles the number with a count.
 */
export async function* memoryRows(store: GraphStore, graph: string): AsyncGenerator<MemoryRow[]> {
  const read = async (from: number, to: number): Promise<MemoryRow[]> => {
    const packed = await store.textRows(graph, `${range(from, to)} RETURN ${PACKED}`);
    return unpack(packed) ?? (await readPlain(store, graph, `${range(from, to)} RETURN ${PLAIN}`));
  };
  yield* store.pages(graph, read);
}

/** What tells whether a memory should have a vector. */
export interface MemoryIdRow {
  internalId: number;
  /** As in {@link MemoryRow}. */
  id: string | null;
  /** Null where there is none, or one that is not a text. */
  type: string | null;
  /** Also where the content is only white space. */
  hasContent: boolean;
}

/** Every memory's id, page by page: several times faster than with its fields. The caller reconciles the number. */
export async function* memoryIdRows(store: GraphStore, graph: string): AsyncGenerator<MemoryIdRow[]> {
  const read = async (from: number, to: number): Promise<MemoryIdRow[]> => {
    const columns = `id(n), ${TEXT_ID}, ${TEXT_TYPE}, ${HAS_CONTENT}`;
    const rows = await store.textRows(graph, `${range(from, to)} RETURN ${columns}`);
    return rows.map(([internalId, id, type, hasContent]) => ({
      internalId: Number(internalId),
      id: id ?? null,
      type: type ?? null,
      hasContent: hasContent === 'yes',
    }));
  };
  yield* store.pages(graph, read);
}

/** Memories by their internal ids, with doubles and integers apart, in any order; those that are gone are left out. */
export async function memoriesAt(
  store: GraphStore,
  graph: string,
  internalIds: readonly number[],
): Promise<MemoryRow[]> {
  const ids = internalIds.join(',');
  return readPlain(
    store,
    graph,
    `UNWIND [${ids}] AS at MATCH (n:${MEMORY_LABEL}) WHERE id(n) = at RETURN ${PLAIN}`,
  );
}

/** @returns null where a value has no JSON form (NaN, infinity, a text to escape) or a long field is not a text. */
function unpack(rows: (string | null)[][]): MemoryRow[] | null {
  try {
    return rows.map(([internalId, id, content, metadata, packed]) => {
      if (packed === null || packed === undefined || packed.includes('\\'))
        throw new SyntaxError('a text to escape');
      const short = JSON.parse(packed) as Value[];
      if (short.pop() !== EXPECTED_TYPES) throw new SyntaxError('a long field is not a text');
      const tags = short[TAGS_AT];
      const tagCount = Array.isArray(tags) ? tags.length : -1;
      if (short.pop() !== tagCount || short.length !== SHORT_FIELDS.length)
        throw new SyntaxError('a text to escape');
      const properties: ValueMap = { content: content ?? null, metadata: metadata ?? null };
      for (let i = 0; i < SHORT_FIELDS.length; i++) properties[SHORT_FIELDS[i] as string] = short[i] ?? null;
      return { internalId: Number(internalId), id: id ?? null, properties };
    });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

async function readPlain(store: GraphStore, graph: string, query: string): Promise<MemoryRow[]> {
  return (await store.rows(graph, query)).map((row) => {
    const [internalId, id, ...values] = row.map(decodeValue);
    const properties = Object.fromEntries(SHARED_FIELDS.map((field, i) => [field, values[i] ?? null]));
    return { internalId: Number(internalId), id: idOf(id), properties };
  });
}

function idOf(id: Value | undefined): string | null {
  if (typeof id === 'string') return id;
  return typeof id === 'bigint' || Number.isSafeInteger(id) ? joinKey(id as number | bigint) : null;
}
