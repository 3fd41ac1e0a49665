import { encodePayload } from '../memory/encode-payload.js';
import {
  differingBits,
  fieldsOf,
  fingerprintPayload,
  sameValue,
  SHARED_FIELDS,
} from '../memory/fingerprint.js';
import { joinKey, pointId } from '../memory/ids.js';
import { isMap, type Value, type ValueMap } from '../memory/values.js';
import { memoriesAt, type MemoryRow } from '../stores/graph/memory-rows.js';
import { Mark, type Pairs } from './pairs.js';
import { nodeMarks, pointMarks, type Reading } from './read.js';

const BATCH = 500;
const CONTENT = 1 << SHARED_FIELDS.indexOf('content');
/** Of a payload: everything, number for number, or what tells its kind and age. */
const WANTED: Record<'content' | 'ids', { payload: true | string[]; numbers: 'exact' | 'fast' }> = {
  content: { payload: true, numbers: 'exact' },
  ids: { payload: ['type', 'content', 'updated_at', 'timestamp'], numbers: 'fast' },
};
const LEARNT = Mark.ExcludedNode | Mark.BlankNode | Mark.ExcludedPoint | Mark.BlankPoint;

/**
 * Looks once more, exactly, at every id of which the first reading could not tell all: hashes differ where the last digit
 * of a double does, and without contents nothing is known of how old a memory is.
 *
 * @param alone whether ids that only one store holds are looked at again too
 */
export async function settle(reading: Reading, pairs: Pairs, alone: boolean): Promise<void> {
  let batch: number[] = [];
  for (let position = 0; position < pairs.ids.size; position++) {
    if (!isOpen(pairs, position, alone)) continue;
    batch.push(position);
    if (batch.length < BATCH) continue;
    await settleBatch(reading, pairs, batch);
    batch = [];
  }
  if (batch.length > 0) await settleBatch(reading, pairs, batch);
}

function isOpen(pairs: Pairs, position: number, alone: boolean): boolean {
  const marks = pairs.marksAt(position);
  if ((marks & (Mark.Duplicate | Mark.Gone)) !== 0) return alone;
  const inBoth = (marks & Mark.Node) !== 0 && (marks & Mark.Point) !== 0;
  return inBoth ? pairs.differingAt(position) !== 0 : alone;
}

async function settleBatch(reading: Reading, pairs: Pairs, positions: readonly number[]): Promise<void> {
  reading.onPage();
  const nodes = positions.filter((position) => pairs.internalIdAt(position) >= 0);
  const points = positions.filter((position) => (pairs.marksAt(position) & Mark.Point) !== 0);
  const [rows, payloads] = await Promise.all([
    readNodes(reading, pairs, nodes),
    readPayloads(reading, pairs, points),
  ]);
  for (const position of positions) {
    const key = pairs.ids.keyAt(position);
    const row = rows.get(pairs.internalIdAt(position));
    // The server gives the internal id of a deleted node to the next one.
    const isSame = row !== undefined && (row.id === null || joinKey(row.id) === key);
    settleOne(reading, pairs, position, isSame ? row : undefined, payloads.get(key));
  }
}

async function readNodes(
  { graph, graphName }: Reading,
  pairs: Pairs,
  positions: readonly number[],
): Promise<Map<number, MemoryRow>> {
  if (positions.length === 0) return new Map();
  const internalIds = positions.map((position) => pairs.internalIdAt(position));
  const rows = await memoriesAt(graph, graphName, internalIds);
  return new Map(rows.map((row) => [row.internalId, row]));
}

async function readPayloads(
  { vectors, collection, options }: Reading,
  pairs: Pairs,
  positions: readonly number[],
): Promise<Map<string, Value>> {
  if (positions.length === 0) return new Map();
  const ids = positions.map((position) => pointId(pairs.ids.keyAt(position)));
  const points = await vectors.retrieve(collection, ids, WANTED[options.depth]);
  return new Map(points.map(({ id, payload }) => [joinKey(id), payload]));
}

function settleOne(
  { options, grace }: Reading,
  pairs: Pairs,
  position: number,
  row: MemoryRow | undefined,
  payload: Value | undefined,
): void {
  const before = pairs.marksAt(position);
  if ((before & Mark.Duplicate) !== 0) {
    // Which of its nodes is the right one cannot be told; how old they are can.
    if (row !== undefined && grace.covers(row.properties)) pairs.mark(position, Mark.Young);
    return;
  }
  pairs.unmark(position, LEARNT);
  if (row !== undefined) {
    const young = grace.covers(row.properties) ? Mark.Young : 0;
    pairs.mark(position, nodeMarks(row.properties, options.excludedTypes) | young);
  } else if ((before & Mark.Node) !== 0) vanished(pairs, position, Mark.Node);
  if (payload !== undefined) pairs.mark(position, pointMarks(payload, options.excludedTypes, grace));
  else if ((before & Mark.Point) !== 0) vanished(pairs, position, Mark.Point);
  const compared = options.depth === 'content' && row !== undefined && payload !== undefined;
  pairs.setDiffering(position, compared ? exactBits(row, payload, pairs.marksAt(position)) : 0);
}

function exactBits(row: MemoryRow, payload: Value, marks: number): number {
  const bits = withoutDefaults(
    differingBits(payload, row.properties, fingerprintPayload(payload).provided),
    payload,
    row.properties,
  );
  // No content at all and an empty text are the same: nothing to embed.
  const bothBlank = (marks & Mark.BlankNode) !== 0 && (marks & Mark.BlankPoint) !== 0;
  return bothBlank ? bits & ~CONTENT : bits;
}

/** What a node lacks, AutoMem's embedding worker fills in: a payload that says just that does not differ. */
function withoutDefaults(bits: number, payload: Value, properties: ValueMap): number {
  const lacking = fieldsOf(bits).filter(
    (field) => (properties[field] ?? null) === null && field !== 'content',
  );
  if (lacking.length === 0 || !isMap(payload)) return bits;
  const filled = encodePayload(properties);
  return lacking
    .filter((field) => sameValue(filled[field], payload[field]))
    .reduce((left, field) => left & ~(1 << SHARED_FIELDS.indexOf(field)), bits);
}

/** Deleted while it was read; somebody is at work on this memory just now. */
function vanished(pairs: Pairs, position: number, side: Mark.Node | Mark.Point): void {
  pairs.unmark(position, side);
  const left = pairs.marksAt(position) & (Mark.Node | Mark.Point);
  pairs.mark(position, left === 0 ? Mark.Gone : Mark.Young);
}
