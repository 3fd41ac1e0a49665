import { isVectorEligible, MEMORY_LABEL } from '../memory/contract.js';
import { differingField, fieldsOf, fingerprintNode, fingerprintPayload } from '../memory/fingerprint.js';
import { joinKey } from '../memory/ids.js';
import type { ValueMap } from '../memory/values.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import { memoryRows, type MemoryRow } from '../stores/graph/memory-rows.js';
import { decodeValue } from '../stores/graph/reply.js';
import type { ValidationContext } from './check.js';
import { Differences, type MemoryCensus } from './memory-census.js';

const BATCH = 500;

interface PointFacts {
  hash: number;
  provided: number;
  excluded: boolean;
  seen: boolean;
}

/** Reads both stores. About 200 bytes a memory are held, never the memories themselves. */
export async function takeCensus(context: ValidationContext): Promise<MemoryCensus> {
  const points = await readPoints(context);
  const census: MemoryCensus = {
    memories: 0,
    eligible: 0,
    points: points.size,
    missing: new Differences(),
    orphans: new Differences(),
    contentless: 0,
    quarantined: 0,
    stale: new Differences(),
    duplicates: new Differences(),
    sample: [],
  };
  await joinMemories(context, points, census);
  for (const [id, { seen, excluded, provided }] of points) {
    if (seen || excluded) continue;
    if (context.expected?.quarantined.has(id) === true) {
      census.quarantined++;
      continue;
    }
    census.orphans.add(id);
    if (context.depth === 'content' && !fieldsOf(provided).includes('content')) census.contentless++;
  }
  return census;
}

async function readPoints({
  vectors,
  collection,
  depth,
  excludedTypes,
  signal,
}: ValidationContext): Promise<Map<string, PointFacts>> {
  const points = new Map<string, PointFacts>();
  if (vectors === null) return points;
  for await (const page of vectors.scroll(collection, { payload: depth === 'content', numbers: 'fast' })) {
    signal.throwIfAborted();
    for (const point of page) {
      const { hash, provided } = fingerprintPayload(point.payload);
      points.set(joinKey(point.id), { hash, provided, excluded: false, seen: false });
    }
  }
  if (excludedTypes.size === 0) return points;
  const filter = { must: [{ key: 'type', match: { any: [...excludedTypes] } }] };
  for await (const page of vectors.scroll(collection, { payload: false, numbers: 'fast', filter })) {
    for (const { id } of page) {
      const facts = points.get(joinKey(id));
      if (facts !== undefined) facts.excluded = true;
    }
  }
  return points;
}

const ID_COLUMNS = 'n.id, n.type, coalesce(n.content, "") <> ""';
/** Memories between two samples; prime, so that no pattern of the data is followed. */
const SAMPLE_STRIDE = 17;
const SAMPLES = 5;

async function joinMemories(
  context: ValidationContext,
  points: Map<string, PointFacts>,
  census: MemoryCensus,
): Promise<void> {
  const { graph, graphName, depth, excludedTypes, signal } = context;
  if (graph === null) return;
  let suspects: { id: string; properties: ValueMap; provided: number }[] = [];
  const withoutPoint = new Set<string>();
  for await (const page of depth === 'content' ? memoryRows(graph, graphName) : idRows(graph, graphName)) {
    signal.throwIfAborted();
    for (const memory of page) {
      census.memories++;
      const eligible = isVectorEligible(memory.properties, excludedTypes);
      if (eligible) census.eligible++;
      const id = memory.id === null ? '(without id)' : joinKey(memory.id);
      const point = points.get(id);
      if (point === undefined) {
        if (withoutPoint.has(id)) census.duplicates.add(id);
        withoutPoint.add(id);
        if (eligible) census.missing.add(id);
        continue;
      }
      if (point.seen) census.duplicates.add(id);
      point.seen = true;
      if (census.sample.length < SAMPLES && census.memories % SAMPLE_STRIDE === 1 && eligible)
        census.sample.push(id);
      if (depth === 'content' && fingerprintNode(memory.properties, point.provided) !== point.hash) {
        suspects.push({ id, properties: memory.properties, provided: point.provided });
      }
    }
    if (suspects.length >= BATCH) {
      await settle(context, suspects, census);
      suspects = [];
    }
  }
  await settle(context, suspects, census);
}

/** Ids and what tells whether a memory should have a vector, without the contents. */
async function* idRows(graph: GraphStore, graphName: string): AsyncGenerator<MemoryRow[]> {
  const read = async (from: number, to: number): Promise<MemoryRow[]> => {
    const query = `MATCH (n:${MEMORY_LABEL}) WHERE id(n) >= ${from} AND id(n) < ${to} RETURN ${ID_COLUMNS}`;
    return (await graph.rows(graphName, query)).map((row) => {
      const [id, type, hasContent] = row.map(decodeValue);
      const properties = { type: type ?? null, content: hasContent === true ? 'x' : '' };
      return { id: typeof id === 'string' ? id : null, properties };
    });
  };
  yield* graph.pages(graphName, read);
}

/** Fingerprints differ where the last digit of a double does: those are compared field by field. */
async function settle(
  { vectors, collection }: ValidationContext,
  suspects: { id: string; properties: ValueMap; provided: number }[],
  census: MemoryCensus,
): Promise<void> {
  for (let start = 0; start < suspects.length; start += BATCH) {
    const batch = suspects.slice(start, start + BATCH);
    const ids = batch.map(({ id }) => (/^\d+$/.test(id) ? BigInt(id) : id));
    const points = (await vectors?.retrieve(collection, ids, { payload: true, numbers: 'exact' })) ?? [];
    const payloads = new Map(points.map(({ id, payload }) => [joinKey(id), payload]));
    for (const { id, properties, provided } of batch) {
      const field = differingField(payloads.get(id) ?? null, properties, provided);
      if (field !== null) census.stale.add(`${id} (${field})`);
    }
  }
}
