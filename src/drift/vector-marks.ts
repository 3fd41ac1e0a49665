import { Failure } from '../failure.js';
import { isPlaceholder } from '../memory/placeholder.js';
import type { ScoredPoint, VectorStore } from '../stores/vectors/vector-store.js';

/** Candidates a page; each comes with its vector. */
const PAGE = 500;

const WITHOUT_VECTOR = { must_not: [{ has_vector: '' }] };

/**
 * Ids of all points whose vector is the placeholder of their content. Placeholders are uniform in [0, 1), so they all
 * point roughly along the diagonal: an exact search for it finds every candidate without reading the collection;
 * recomputing the placeholder of the content decides.
 */
export async function* findPlaceholders(
  vectors: VectorStore,
  collection: string,
  shape: { size: number | null; distance: string | null },
): AsyncGenerator<string> {
  const { size, distance } = shape;
  if (size === null || distance !== 'Cosine') return;
  const diagonal = new Array<number>(size).fill(1);
  const expectedCosine = Math.sqrt(3) / 2;
  for (let offset = 0; ; offset += PAGE) {
    const candidates = await vectors.nearest(collection, diagonal, {
      limit: PAGE,
      offset,
      scoreThreshold: expectedCosine - 4 / Math.sqrt(size),
      payload: ['content'],
      vector: true,
    });
    yield* candidates.filter(isOne).map(({ id }) => id);
    if (candidates.length < PAGE) return;
  }
}

function isOne({ vector, payload }: ScoredPoint): boolean {
  const { content } = payload;
  return vector !== null && typeof content === 'string' && isPlaceholder(vector, content);
}

/** Number of points without an unnamed vector; 0 where the server cannot say. */
export async function countVectorless(vectors: VectorStore, collection: string): Promise<number> {
  return (await orUnknown(() => vectors.count(collection, WITHOUT_VECTOR))) ?? 0;
}

/** Ids of all points without an unnamed vector; none where the server cannot say. */
export async function* findVectorless(
  vectors: VectorStore,
  collection: string,
): AsyncGenerator<string | number | bigint> {
  if ((await countVectorless(vectors, collection)) === 0) return;
  const options = { payload: false, numbers: 'fast', filter: WITHOUT_VECTOR } as const;
  for await (const page of vectors.scroll(collection, options)) for (const { id } of page) yield id;
}

/** Servers before 1.13 do not know the condition; there, the collection's schema is all that can be asked. */
async function orUnknown<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    // Any other failure is one: a count that could not be taken is not a count of none.
    if (error instanceof Failure && error.reason.startsWith('HTTP 400')) return null;
    throw error;
  }
}
