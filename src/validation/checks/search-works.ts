import { isMap } from '../../memory/values.js';
import { joinKey, pointId } from '../../memory/ids.js';
import { decodeValue } from '../../stores/graph/reply.js';
import { toCypherLiteral } from '../../stores/graph/cypher.js';
import type { GraphStore } from '../../stores/graph/graph-store.js';
import type { VectorStore } from '../../stores/vectors/vector-store.js';
import type { Check, ValidationContext } from '../check.js';
import { failed, passed, skipped, type Remedy } from '../verdict.js';

/** Payload fields that AutoMem filters by, and has indexes made for. */
const FILTERED_BY = ['tags', 'tag_prefixes'] as const;

/** The fifth step: known memories find themselves, by vector and by filter. */
export const searchWorks: Check = {
  step: 5,
  name: 'search works',
  async run(context) {
    const { vectors, graph, census } = context;
    const expected = 'known memories find themselves by their vector and by their tags';
    if (vectors === null || graph === null || census === null)
      return skipped(expected, 'the stores could not be compared');
    const { sample } = census;
    // A run that was to make empty stores has made them.
    if (sample.length === 0 && context.expected?.nodes === 0)
      return passed(expected, 'there are none, as there should be');
    if (sample.length === 0) return skipped(expected, 'there is no memory with a vector');
    const lost = await lostToVectors(vectors, context.collection, sample);
    const filters = await searchByTag(context, { vectors, graph }, sample);
    const unindexed = await withoutIndex(context, vectors);
    const actual = [
      `${sample.length - lost} of ${sample.length} found by vector`,
      filters.text,
      ...(unindexed.length === 0 ? [] : [`no payload index on ${unindexed.join(' and ')}`]),
    ].join('; ');
    if (lost === 0 && filters.ok && unindexed.length === 0) return passed(expected, actual);
    return failed(expected, actual, remedyFor(lost, unindexed));
  },
};

function remedyFor(lost: number, unindexed: readonly string[]): Remedy {
  if (unindexed.length > 0)
    return {
      fix: 'make the payload indexes, as AutoMem does at its start: lifeboat validate --fix',
      mend: 'create-indexes',
    };
  const restart =
    'restart Qdrant, then look again: lifeboat validate\nif it stays, the index of the collection is damaged';
  return lost > 0 ? { fix: restart } : { fix: restart, mend: 'create-indexes' };
}

/** How many of the memories are not among the nearest to their own vector. */
async function lostToVectors(
  vectors: VectorStore,
  collection: string,
  sample: readonly string[],
): Promise<number> {
  const stored = await vectors.vectors(collection, sample.map(pointId));
  let lost = 0;
  for (const id of sample) {
    const vector = stored.get(id);
    // A point without a vector is the business of the fourth check.
    if (vector === undefined) continue;
    const found = await vectors.nearest(collection, vector, { limit: 10 });
    // Memories with equal content have equal vectors, so a memory need not be the first to be found.
    const best = found[0]?.score ?? 0;
    const self = found.find((point) => point.id === id);
    if (self === undefined && Math.abs((found[9]?.score ?? Infinity) - best) > 1e-4) lost++;
  }
  return lost;
}

async function searchByTag(
  { collection, graphName }: ValidationContext,
  { vectors, graph }: { vectors: VectorStore; graph: GraphStore },
  sample: readonly string[],
): Promise<{ ok: boolean; text: string }> {
  const options = { payload: ['tags'], numbers: 'fast' } as const;
  const points = await vectors.retrieve(collection, sample.map(pointId), { ...options, payload: ['tags'] });
  const tagged = points.flatMap(({ id, payload }) => {
    const tags = isMap(payload) ? payload['tags'] : undefined;
    return Array.isArray(tags) && typeof tags[0] === 'string' ? [{ id, tag: tags[0] }] : [];
  });
  if (tagged.length === 0) return { ok: true, text: 'none of them has tags' };
  let found = 0;
  for (const { id, tag } of tagged) {
    const filter = { must: [{ has_id: [id] }, { key: 'tags', match: { value: tag } }] };
    if ((await vectors.count(collection, filter)) === 1) found++;
  }
  const ids = tagged.map(({ id }) => joinKey(id));
  const inGraph = await countInGraph(graph, graphName, ids);
  return {
    ok: found === tagged.length && inGraph === tagged.length,
    text: `${found} of ${tagged.length} by tag, ${inGraph} in the graph by id`,
  };
}

async function countInGraph(graph: GraphStore, graphName: string, ids: readonly string[]): Promise<number> {
  // An id may be a whole number, which toLower() refuses.
  const [row] = await graph.rows(
    graphName,
    `CYPHER ids=${toCypherLiteral([...ids])} MATCH (m:Memory) WITH toLower(toString(m.id)) AS id WHERE id IN $ids RETURN count(DISTINCT id)`,
  );
  return Number(row?.[0] === undefined ? 0 : decodeValue(row[0]));
}

/** Fields without an index where AutoMem is set up to have them; without one, each filter reads every payload. */
async function withoutIndex(
  { collection, payloadIndexes }: ValidationContext,
  vectors: VectorStore,
): Promise<string[]> {
  if (!payloadIndexes) return [];
  const existing = (await vectors.collection(collection))?.payloadIndexes ?? {};
  return FILTERED_BY.filter((field) => existing[field] === undefined);
}
