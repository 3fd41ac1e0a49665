import { takeCensus } from '../census.js';
import type { Check, ValidationContext, Verdict } from '../check.js';
import type { MemoryCensus } from '../memory-census.js';
import { failed, MOST_MENDED_PERCENT, passed, problem, skipped, type Remedy } from '../verdict.js';

/** The second step: the same memories in both stores. Takes the census that later steps use. */
export const memoriesMatch: Check = {
  step: 2,
  name: 'memories match',
  async run(context) {
    const { graph, vectors, graphName, collection, depth } = context;
    const expected =
      depth === 'content'
        ? 'the same memories in both stores, with the same content'
        : 'the same memories in both stores';
    if (graph === null || vectors === null) return skipped(expected, 'a store is away');
    if ((await graph.kindOf(graphName)) !== 'graph') {
      const fix = `bring the graph back: lifeboat recover rebuild-graph --confirm ${graphName}`;
      return failed(expected, `there is no graph "${graphName}"`, { fix });
    }
    if ((await vectors.collection(collection)) === null) {
      const fix = `bring the vectors back: lifeboat recover reembed-vectors --confirm ${graphName}`;
      return failed(expected, `there is no collection "${collection}"`, { fix });
    }
    context.census = await takeCensus(context, { graph, vectors });
    return judge(expected, context, context.census);
  },
};

/** A memory without a vector is the business of the fourth check; here it counts only the other way round. */
function judge(expected: string, context: ValidationContext, census: MemoryCensus): Verdict {
  const { graphName } = context;
  // A run that was to make empty stores is right to find them.
  const isEmpty = census.drift.memories === 0 && census.drift.points === 0 && context.expected?.nodes !== 0;
  const { drift, missing, orphans, stale, duplicates } = census;
  const problems = [
    problem(orphans, 'points without a memory'),
    problem(stale, 'memories whose payload differs'),
    problem(duplicates, 'ids that stand on two nodes'),
    isEmpty ? 'both stores are empty' : '',
  ].filter((text) => text !== '');
  const counts = `${drift.memories} memories, ${drift.points} points, ${drift.eligible - missing.count} in both${aside(census)}`;
  return problems.length === 0
    ? passed(expected, counts)
    : failed(expected, `${counts}; ${problems.join('; ')}`, remedyFor(census, graphName));
}

/** What is told beside the counts, and is no problem. */
function aside({ quarantined, drift }: MemoryCensus): string {
  const pending = drift.counts.pending;
  return [
    quarantined === 0 ? '' : `, ${quarantined} points in quarantine`,
    pending === 0 ? '' : `, ${pending} too young to be told`,
  ].join('');
}

/** One remedy a line, each with one command at most. */
function remedyFor(census: MemoryCensus, graphName: string): Remedy {
  const { drift, orphans, contentless, stale, duplicates } = census;
  if (drift.memories === 0 && drift.points === 0)
    return { fix: 'see what can be brought back: lifeboat recover --dry-run' };
  const hints = [
    contentless === 0
      ? ''
      : `no memory can be rebuilt from ${contentless} of these points, whose payloads hold no content: look at them, then delete them: lifeboat repair --always --orphans delete --confirm ${graphName}`,
    duplicates.count === 0 ? '' : 'remove the duplicate nodes by hand, keeping the one with relationships',
  ].filter((hint) => hint !== '');
  const restorable = orphans.count - contentless;
  if (restorable + stale.count === 0) return { fix: hints.join('\n') };
  if (drift.percent > MOST_MENDED_PERCENT) return { fix: [planFor(census, graphName), ...hints].join('\n') };
  const what =
    restorable > 0
      ? 'bring memories back that only Qdrant holds'
      : 'bring payloads up to the graph, which decides over them';
  return { fix: [`${what}: lifeboat validate --fix`, ...hints].join('\n'), mend: 'sync-drift' };
}

function planFor({ orphans, missing, stale }: MemoryCensus, graphName: string): string {
  return orphans.count > missing.count + stale.count
    ? `bring memories back that only Qdrant holds: lifeboat recover rebuild-graph --confirm ${graphName}`
    : 'bring payloads up to the graph, which decides over them: lifeboat repair --max-drift 100';
}
