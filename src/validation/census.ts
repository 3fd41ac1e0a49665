import { compareStores } from '../drift/compare-stores.js';
import type { DriftReport, Difference } from '../drift/types.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { ValidationContext } from './check.js';
import { Differences, type MemoryCensus } from './memory-census.js';

const SAMPLES = 5;

/** Compares the stores. Points without a vector and placeholders are the business of the fourth check. */
export async function takeCensus(
  context: ValidationContext,
  stores: { graph: GraphStore; vectors: VectorStore },
): Promise<MemoryCensus> {
  const { graphName, collection, depth, excludedTypes, signal } = context;
  const found = {
    missing: new Differences(),
    orphans: new Differences(),
    contentless: 0,
    quarantined: 0,
    stale: new Differences(),
    duplicates: new Differences(),
  };
  const quarantined = context.expected?.quarantined ?? new Set<string>();
  const drift = await compareStores(
    { ...stores, graphName, collection },
    {
      depth,
      excludedTypes,
      signal,
      vectorless: false,
      onDifference: (difference) => {
        if ((difference.pendingAs ?? difference.class) === 'orphan-vector' && quarantined.has(difference.id))
          found.quarantined++;
        else note(found, difference);
      },
    },
  );
  return { drift, ...found, sample: sampleOf(drift) };
}

function note(found: Omit<MemoryCensus, 'drift' | 'sample'>, difference: Difference): void {
  switch (difference.class) {
    case 'missing-vector':
      found.missing.add(difference.id);
      break;
    case 'orphan-vector':
      found.orphans.add(difference.id);
      if (difference.contentless === true) found.contentless++;
      break;
    case 'stale-payload':
    case 'content-changed':
      found.stale.add(`${difference.id} (${difference.fields?.[0] ?? 'content'})`);
      break;
    case 'duplicate-id':
      found.duplicates.add(difference.id);
      break;
    default:
    // As it should be, or too young to be told; placeholders and sizes were not asked for.
  }
}

function sampleOf({ examples }: DriftReport): string[] {
  const classes = ['same', 'stale-payload', 'content-changed'] as const;
  return classes.flatMap((name) => (examples[name] ?? []).map(({ id }) => id)).slice(0, SAMPLES);
}
