import { Failure } from '../failure.js';
import { isPlaceholder } from '../memory/placeholder.js';
import { isMap } from '../memory/values.js';
import { decodeValue } from '../stores/graph/reply.js';
import type { CheckResult } from '../recovery/events.js';
import { takeCensus } from './census.js';
import type { Differences, MemoryCensus } from './memory-census.js';
import type { Check, ValidationContext } from './check.js';

type Verdict = Omit<CheckResult, 'step' | 'name'>;

const skipped = (expected: string, why: string): Verdict => ({
  status: 'skip',
  expected,
  actual: `not checked: ${why}`,
  provesData: false,
});

export const connectivity: Check = {
  step: 1,
  name: 'connectivity',
  async run({ graph, vectors, problems }) {
    const expected = 'both stores answer';
    if (graph === null || vectors === null) {
      return {
        status: 'fail',
        expected,
        actual: problems.join('; '),
        fix: 'start the store, then validate again',
        provesData: false,
      };
    }
    await graph.command('reach the graph server', 'PING');
    const version = await vectors.version();
    return {
      status: 'pass',
      expected,
      actual: `FalkorDB answers, Qdrant ${version} answers`,
      provesData: false,
    };
  },
};

export const memoriesMatch: Check = {
  step: 2,
  name: 'memories match',
  async run(context) {
    const expected =
      context.depth === 'content'
        ? 'the same memories in both stores, with the same content'
        : 'the same memories in both stores';
    if (context.graph === null || context.vectors === null) return skipped(expected, 'a store is away');
    if ((await context.graph.kindOf(context.graphName)) !== 'graph') {
      return {
        status: 'fail',
        expected,
        actual: `there is no graph "${context.graphName}"`,
        fix: 'lifeboat recover rebuild-graph',
        provesData: true,
      };
    }
    if ((await context.vectors.collection(context.collection)) === null) {
      return {
        status: 'fail',
        expected,
        actual: `there is no collection "${context.collection}"`,
        fix: 'lifeboat recover',
        provesData: true,
      };
    }
    const census = await takeCensus(context);
    context.census = census;
    const { missing, orphans, stale, duplicates } = census;
    // A memory without a vector is the business of the fourth check; here it counts only the other way round.
    const problems = [
      problem(orphans, 'points without a memory'),
      problem(stale, 'memories whose payload differs'),
      problem(duplicates, 'ids that stand on two nodes'),
      census.memories === 0 && census.points === 0 ? 'both stores are empty' : '',
    ].filter((text) => text !== '');
    const aside = census.quarantined === 0 ? '' : `, ${census.quarantined} points in quarantine`;
    const counts = `${census.memories} memories, ${census.points} points, ${census.eligible - missing.count} in both${aside}`;
    return problems.length === 0
      ? { status: 'pass', expected, actual: counts, provesData: true }
      : {
          status: 'fail',
          expected,
          actual: `${counts}; ${problems.join('; ')}`,
          fix: fixFor(census),
          provesData: true,
        };
  },
};

function problem({ count, examples }: Differences, what: string): string {
  return count === 0 ? '' : `${count} ${what} (${examples.slice(0, 3).join(', ')}${count > 3 ? ', …' : ''})`;
}

function fixFor({ orphans, contentless, stale, memories, points }: MemoryCensus): string {
  if (memories === 0 && points === 0) return 'lifeboat recover';
  if (orphans.count > 0 && orphans.count === contentless) {
    return 'no memory can be rebuilt from these points, whose payloads hold no content: look at them, then delete them from Qdrant';
  }
  if (orphans.count > 0) return 'lifeboat recover rebuild-graph brings memories back that only Qdrant holds';
  if (stale.count > 0)
    return 'the graph decides over payload fields: let the service write these memories again (PATCH)';
  return 'remove the duplicate nodes by hand, keeping the one with relationships';
}

export const relationshipIntegrity: Check = {
  step: 3,
  name: 'relationship integrity',
  async run(context) {
    const { graph, graphName, expected: written } = context;
    const wanted =
      written === null
        ? 'relationships between the memories'
        : `${written.relationships} relationships, as restored, by type`;
    if (graph === null || (await graph.kindOf(graphName)) !== 'graph')
      return skipped(wanted, 'there is no graph');
    const survey = await graph.survey(graphName);
    if (survey.relationships === 0) return withoutRelationships(context, wanted, survey.memories);
    const nameless = await graph.scalar(graphName, 'MATCH (n) WHERE n.id IS NULL RETURN count(n)');
    const types = Object.keys(survey.byRelationship).length;
    const found = `${survey.relationships} relationships of ${types} types`;
    const different = written === null ? [] : differingTypes(written.byRelationship, survey.byRelationship);
    if (different.length > 0) {
      return {
        status: 'fail',
        expected: wanted,
        actual: `${found}; ${different.join('; ')}`,
        fix: 'lifeboat recover rebuild-graph',
        provesData: true,
      };
    }
    const note =
      nameless > 0 ? `; ${nameless} nodes have no id, so other tools cannot name their relationships` : '';
    return { status: 'pass', expected: wanted, actual: `${found}${note}`, provesData: true };
  },
};

/** No relationships at all is right for a handful of memories, and suspicious for many. */
const FEW_MEMORIES = 20;

function withoutRelationships({ expected }: ValidationContext, wanted: string, memories: number): Verdict {
  const fine = expected === null ? memories <= FEW_MEMORIES : expected.relationships === 0;
  if (fine) return { status: 'pass', expected: wanted, actual: 'there are none', provesData: memories > 0 };
  return {
    status: 'fail',
    expected: wanted,
    actual: `none, among ${memories} memories`,
    fix: 'lifeboat recover rebuild-graph brings them back from the newest backup',
    provesData: true,
  };
}

function differingTypes(expected: Record<string, number>, actual: Record<string, number>): string[] {
  const types = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...types]
    .filter((type) => (expected[type] ?? 0) !== (actual[type] ?? 0))
    .map((type) => `${type}: ${expected[type] ?? 0} expected, ${actual[type] ?? 0} found`);
}

/** Points looked at as possible placeholders; a store with more has one problem, not a thousand. */
const MAX_CANDIDATES = 1_000;

export const embeddingCoverage: Check = {
  step: 4,
  name: 'embedding coverage',
  async run(context) {
    const { vectors, collection, census } = context;
    const expected = 'every eligible memory has a vector of the right size that is not a placeholder';
    if (vectors === null || census === null) return skipped(expected, 'the stores could not be compared');
    const info = await vectors.collection(collection);
    const size = info?.size ?? null;
    const placeholders =
      info === null || size === null ? [] : await findPlaceholders(context, size, info.distance);
    const vectorless = await countVectorless(context);
    const problems = [
      problem(census.missing, 'memories without a vector'),
      placeholders.length > 0
        ? `${placeholders.length} placeholder vectors (${placeholders.slice(0, 3).join(', ')})`
        : '',
      vectorless > 0 ? `${vectorless} points without a vector` : '',
      size === null ? 'the collection has no unnamed vector' : '',
    ].filter((text) => text !== '');
    const covered = `${census.eligible - census.missing.count} of ${census.eligible} eligible memories, ${size ?? '?'} dimensions`;
    return problems.length === 0
      ? { status: 'pass', expected, actual: covered, provesData: census.eligible > 0 }
      : {
          status: 'fail',
          expected,
          actual: `${covered}; ${problems.join('; ')}`,
          fix: "embed them again with AutoMem's POST /admin/sync",
          provesData: true,
        };
  },
};

/**
 * Placeholders are uniform in [0, 1), so they all point roughly along the diagonal: one exact search for it finds every
 * candidate without reading the collection; recomputing the placeholder of the content decides.
 */
async function findPlaceholders(
  { vectors, collection }: ValidationContext,
  size: number,
  distance: string | null,
): Promise<string[]> {
  if (vectors === null || distance !== 'Cosine') return [];
  const expectedCosine = Math.sqrt(3) / 2;
  const candidates = await vectors.nearest(collection, new Array<number>(size).fill(1), {
    limit: MAX_CANDIDATES,
    scoreThreshold: expectedCosine - 4 / Math.sqrt(size),
    payload: ['content'],
    vector: true,
  });
  return candidates
    .filter(
      ({ vector, payload }) =>
        vector !== null &&
        typeof payload['content'] === 'string' &&
        isPlaceholder(vector, payload['content']),
    )
    .map(({ id }) => id);
}

/** Servers before 1.13 do not know the condition; there, the collection's schema is all that can be asked. */
async function countVectorless({ vectors, collection }: ValidationContext): Promise<number> {
  try {
    return (await vectors?.count(collection, { must_not: [{ has_vector: '' }] })) ?? 0;
  } catch (error) {
    // Any other failure must fail the check: a count that could not be taken is not a count of none.
    if (error instanceof Failure && error.reason.startsWith('HTTP 400')) return 0;
    throw error;
  }
}

export const searchWorks: Check = {
  step: 5,
  name: 'search works',
  async run(context) {
    const { vectors, collection, census } = context;
    const expected = 'known memories find themselves by their vector and by their tags';
    if (vectors === null || census === null) return skipped(expected, 'the stores could not be compared');
    if (census.sample.length === 0) return skipped(expected, 'there is no memory with a vector');
    const lost: string[] = [];
    const stored = await vectors.vectors(collection, census.sample);
    for (const id of census.sample) {
      const vector = stored.get(id);
      // Memories with equal content have equal vectors, so a memory need not be the first to be found.
      const found = vector === undefined ? [] : await vectors.nearest(collection, vector, { limit: 10 });
      const best = found[0]?.score ?? 0;
      const self = found.find((point) => point.id === id);
      if (self === undefined && Math.abs((found[9]?.score ?? Infinity) - best) > 1e-4) lost.push(id);
    }
    const unfiltered = await lostToFilters(context, census.sample);
    const actual = `${census.sample.length - lost.length} of ${census.sample.length} found by vector; ${unfiltered.text}`;
    return lost.length === 0 && unfiltered.ok
      ? { status: 'pass', expected, actual, provesData: true }
      : {
          status: 'fail',
          expected,
          actual,
          fix: 'restart Qdrant and validate again; if it stays, the index of the collection is damaged',
          provesData: true,
        };
  },
};

async function lostToFilters(
  { vectors, collection, graph, graphName }: ValidationContext,
  sample: string[],
): Promise<{ ok: boolean; text: string }> {
  const points =
    (await vectors?.retrieve(
      collection,
      sample.filter((id) => !/^\d+$/.test(id)),
      { payload: ['tags'], numbers: 'fast' },
    )) ?? [];
  const tagged = points.flatMap(({ id, payload }) => {
    const tags = isMap(payload) ? payload['tags'] : undefined;
    return Array.isArray(tags) && typeof tags[0] === 'string' ? [{ id: String(id), tag: tags[0] }] : [];
  });
  if (tagged.length === 0) return { ok: true, text: 'none of them has tags' };
  let found = 0;
  for (const { id, tag } of tagged) {
    const filter = { must: [{ has_id: [id] }, { key: 'tags', match: { value: tag } }] };
    if ((await vectors?.count(collection, filter)) === 1) found++;
  }
  const inGraph = await countInGraph(
    graph,
    graphName,
    tagged.map(({ id }) => id),
  );
  return {
    ok: found === tagged.length && inGraph === tagged.length,
    text: `${found} of ${tagged.length} by tag, ${inGraph} in the graph by id`,
  };
}

async function countInGraph(
  graph: ValidationContext['graph'],
  graphName: string,
  ids: string[],
): Promise<number> {
  if (graph === null) return 0;
  const list = ids.map((id) => JSON.stringify(id)).join(',');
  const [row] = await graph.rows(
    graphName,
    `MATCH (m:Memory) WHERE toLower(m.id) IN [${list}] RETURN count(DISTINCT m.id)`,
  );
  return Number(row?.[0] === undefined ? 0 : decodeValue(row[0]));
}
