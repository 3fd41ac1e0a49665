import { embedAll } from '../../embedding/embed-all.js';
import { checkVectorSpace, type SpaceSample } from '../../embedding/model-guard.js';
import type { EmbeddingProvider } from '../../embedding/provider.js';
import { ExitCode, Failure } from '../../failure.js';
import { joinKey } from '../../memory/ids.js';
import { isMap } from '../../memory/values.js';
import type { MemoryIds } from '../differences.js';
import type { StepContext } from '../step.js';
import { findCoverage, type BackupCoverage } from './backup-coverage.js';

/** Points of the collection looked at for some that can be compared. */
const SURVIVORS = 64;
/** Below this two vectors of one text are of different models; see the model guard. */
const SAME_SPACE = 0.9;

/** Vectors of the live collection whose memories are as they were embedded; none where they are to be replaced. */
export async function survivingSamples(
  { vectors, collection, options }: StepContext,
  wanted: MemoryIds,
): Promise<SpaceSample[]> {
  if (options.newSpace || (await vectors.collection(collection)) === null) return [];
  const points = (await vectors.sample(collection, SURVIVORS)).filter(({ id }) => !wanted.has(joinKey(id)));
  if (points.length === 0) return [];
  const stored = await unnamedVectors(
    { vectors, collection },
    points.map(({ id }) => id as string | number),
  );
  return points.flatMap(({ id, payload }) => {
    const vector = stored.get(joinKey(id));
    const content = isMap(payload) ? payload['content'] : undefined;
    return vector === undefined || typeof content !== 'string' ? [] : [{ id: joinKey(id), content, vector }];
  });
}

/** Vectors without a name by joined id, also of points that have others besides. */
async function unnamedVectors(
  { vectors, collection }: Pick<StepContext, 'vectors' | 'collection'>,
  ids: readonly (string | number)[],
): Promise<Map<string, number[]>> {
  const points = await vectors.requests.result<{ id: string | number; vector?: unknown }[]>({
    operation: 'read vectors by id',
    method: 'POST',
    path: `/collections/${encodeURIComponent(collection)}/points`,
    body: { ids, with_payload: false, with_vector: [''] },
  });
  return new Map(
    points.flatMap(({ id, vector }) => {
      const plain = isMap(vector as never) ? (vector as { '': unknown })[''] : vector;
      return Array.isArray(plain) ? [[joinKey(id), plain as number[]] as const] : [];
    }),
  );
}

/**
 * Refuses a provider that does not answer, gives another size, or makes other vectors than those that stay: these mix
 * without any error, and no search works across them. Done once in a process.
 *
 * @throws Failure
 */
export async function guardSpace(
  context: StepContext,
  provider: EmbeddingProvider,
  size: number,
  samples: readonly SpaceSample[],
): Promise<void> {
  const { signal, notice, work } = context;
  if (work.isSpaceGuarded) return;
  const { verdict, reason, cosines } = await checkVectorSpace(provider, samples, signal, { notice });
  if (verdict === 'other') throw otherSpace(provider, reason);
  if (verdict === 'unknown' && samples.length > 0)
    notice(`Which model made the vectors could not be told: ${reason}.`);
  if (cosines.length === 0) await proveSize(context, provider, size);
  work.isSpaceGuarded = true;
}

/** With nothing to compare with, at least an answer, and its size. */
async function proveSize(context: StepContext, provider: EmbeddingProvider, size: number): Promise<void> {
  const { signal, notice, options, collection } = context;
  try {
    await embedAll(provider, [{ text: 'A short text.' }], { size, signal, notice }).next();
  } catch (error) {
    const isSize = error instanceof Failure && error.code === 'provider-size';
    throw isSize && options.newSpace ? otherSize(provider, collection, error) : error;
  }
}

/**
 * What the newest backup has for the wanted memories (see {@link findCoverage}). A collection that was embedded anew since
 * then must not get its old vectors back: they are left out where memories that have both say so, or the provider, if it
 * agrees with what survives.
 */
export async function usableCoverage(
  context: StepContext,
  wanted: MemoryIds,
  size: number,
  survivors: readonly SpaceSample[],
): Promise<BackupCoverage> {
  const coverage = await findCoverage(context, wanted, size, survivors);
  const { agreement, samples } = coverage;
  if (survivors.length === 0 || samples.length === 0) return coverage;
  const isOther =
    agreement.length > 0
      ? agreement.filter((near) => near < SAME_SPACE).length > agreement.length / 2
      : await isOfOtherModel(context, samples, survivors);
  if (!isOther) return coverage;
  context.notice(
    'The vectors of the backup are of another model than those that survive; they are not used.',
  );
  return { ids: new Set(), samples: [], agreement };
}

/** No memory has both: only a provider that made the surviving ones can tell. */
async function isOfOtherModel(
  { embedder, signal, notice, options }: StepContext,
  samples: readonly SpaceSample[],
  survivors: readonly SpaceSample[],
): Promise<boolean> {
  try {
    if (options.viaApi) return false;
    const provider = embedder(survivors[0]?.vector.length ?? 0);
    const live = await checkVectorSpace(provider, survivors, signal, { notice });
    if (live.verdict !== 'same') return false;
    return (await checkVectorSpace(provider, samples, signal, { notice })).verdict === 'other';
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return false;
  }
}

function otherSpace(provider: EmbeddingProvider, reason: string): Failure {
  return new Failure({
    operation: 'embed with the provider that is set up',
    subject: `${provider.name}, model ${provider.model}`,
    reason: `it would mix two vector spaces, across which no search works: ${reason}`,
    hint: 'Set the provider and model that made the vectors (EMBEDDING_PROVIDER, EMBEDDING_MODEL), or embed every memory anew with --new-space. No vector was written with this one.',
    exitCode: ExitCode.usage,
    code: 'other-vector-space',
  });
}

function otherSize(provider: EmbeddingProvider, collection: string, { reason }: Failure): Failure {
  return new Failure({
    operation: 'embed everything anew in the collection there is',
    subject: `${provider.name}, model ${provider.model}`,
    reason,
    hint: `Nothing was changed: the size of a collection cannot change. Make one beside it, which leaves a way back: run the same command with QDRANT_COLLECTION=${collection}_new, then start AutoMem with that name.`,
    exitCode: ExitCode.usage,
    code: 'provider-size',
  });
}
