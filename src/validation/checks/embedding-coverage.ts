import { countVectorless, findPlaceholders } from '../../drift/vector-marks.js';
import type { Check } from '../check.js';
import { Differences } from '../memory-census.js';
import { failed, MOST_MENDED_PERCENT, passed, problem, skipped, type Remedy } from '../verdict.js';

/** The fourth step: every memory that should have a vector has a real one. */
export const embeddingCoverage: Check = {
  step: 4,
  name: 'embedding coverage',
  async run({ vectors, collection, graphName, census }) {
    const expected = 'every eligible memory has a vector of the right size that is not a placeholder';
    if (vectors === null || census === null) return skipped(expected, 'the stores could not be compared');
    const info = await vectors.collection(collection);
    const size = info?.size ?? null;
    const placeholders = new Differences();
    if (info !== null)
      for await (const id of findPlaceholders(vectors, collection, info)) placeholders.add(id);
    const vectorless = await countVectorless(vectors, collection);
    const problems = [
      problem(census.missing, 'memories without a vector'),
      problem(placeholders, 'placeholder vectors'),
      vectorless > 0 ? `${vectorless} points without a vector` : '',
      size === null ? 'the collection has no unnamed vector' : '',
    ].filter((text) => text !== '');
    const { eligible } = census.drift;
    const covered = `${eligible - census.missing.count} of ${eligible} eligible memories, ${size ?? '?'} dimensions`;
    if (problems.length === 0) return passed(expected, covered, eligible > 0);
    const lacking = census.missing.count + placeholders.count + vectorless;
    return failed(
      expected,
      `${covered}; ${problems.join('; ')}`,
      remedyFor(size, (lacking * 100) / eligible, graphName),
    );
  },
};

function remedyFor(size: number | null, lackingPercent: number, graphName: string): Remedy {
  if (size === null)
    return {
      fix: 'AutoMem searches one unnamed vector: see that QDRANT_COLLECTION names the right collection',
    };
  if (lackingPercent > MOST_MENDED_PERCENT)
    return {
      fix: `take them from the newest backup, or embed them: lifeboat recover reembed-vectors --confirm ${graphName}`,
    };
  return {
    fix: 'take them from the newest backup, or embed them: lifeboat validate --fix',
    mend: 'reembed-missing',
  };
}
