import { gunzipStream } from '../../backup/files/container.js';
import { readManifest, type Manifest } from '../../backup/manifest.js';
import { readVectorsFile } from '../../backup/files/vectors-file.js';
import { embedAll } from '../../embedding/embed-all.js';
import type { EmbeddingProvider } from '../../embedding/provider.js';
import { ExitCode, Failure } from '../../failure.js';
import { isMap } from '../../memory/values.js';
import { pairInUse, vectorsInUse } from '../pair-in-use.js';
import type { StepContext } from '../step.js';
import { sizeOfService } from './embed-through-service.js';

/** Where AutoMem's vectors go in a collection. */
export interface VectorPlace {
  /** Components. */
  size: number;
  distance: string;
  /** Whether a point has no vector besides, under a name, that writing the whole point would take away. */
  isAlone: boolean;
}

/** What vectors need that are not written yet. */
export type WantedPlace = Pick<VectorPlace, 'size'> & Partial<Pick<VectorPlace, 'distance'>>;

/**
 * The place of the vector without a name, the only one that AutoMem writes and searches, in the config of a collection as
 * Qdrant gives it; beside named ones it stands under the name "".
 *
 * @returns null where all vectors have names
 */
export function placeIn(config: unknown): VectorPlace | null {
  const params = field(config, 'params');
  const vectors = field(params, 'vectors');
  const sparse = field(params, 'sparse_vectors') ?? {};
  const plain = typeof field(vectors, 'size') === 'number' ? vectors : field(vectors, '');
  const size = field(plain, 'size');
  const distance = field(plain, 'distance');
  if (typeof size !== 'number' || typeof distance !== 'string') return null;
  const named = plain === vectors ? 0 : Object.keys(vectors as object).length - 1;
  return { size, distance, isAlone: named + Object.keys(sparse).length === 0 };
}

/**
 * Where vectors go: in the collection that there is, else in the one that will be made, also in place of one that is empty.
 *
 * @throws Failure where the collection has no place for them
 */
export async function vectorPlace(context: StepContext): Promise<VectorPlace> {
  const { vectors, collection, work } = context;
  const live = work.makesCollectionAnew ? null : await vectors.collection(collection);
  const place = placeIn(live === null ? await newCollection(context) : live.config);
  if (place === null) throw noPlace(collection);
  return place;
}

/**
 * The config of a collection that is to be made: as the manifest of the newest backup describes it, else one vector of the
 * size that the backup has, the provider gives or VECTOR_SIZE says, compared by cosine as AutoMem makes it. Where
 * everything is embedded anew, the provider alone decides over the size.
 */
export async function newCollection(context: StepContext): Promise<Record<string, unknown>> {
  const recorded = (await manifestOf(context))?.collection?.config ?? null;
  const place = placeIn(recorded);
  if (isMap(recorded) && place !== null && !context.options.newSpace) return recorded;
  const size =
    (context.options.newSpace ? null : await sizeInBackup(context)) ?? (await sizeFromSettings(context));
  if (isMap(recorded) && place !== null) return withSize(recorded, size);
  return { params: { vectors: { size, distance: 'Cosine' } } };
}

/** Where the vectors of the backup fit in; null where there are none, or what is known of them does not agree. */
export async function placeInBackup(context: StepContext): Promise<WantedPlace | null> {
  const size = await sizeInBackup(context);
  if (size === null) return null;
  const recorded = placeIn((await manifestOf(context))?.collection?.config);
  if (recorded === null) return { size };
  return recorded.size === size ? recorded : null;
}

/** What Lifeboat wrote beside the newest backup; null where there is nothing that can be read. */
export async function manifestOf(context: StepContext): Promise<Manifest | null> {
  const { archive } = context;
  const pair = vectorsInUse(context) ?? pairInUse(context);
  const manifest = archive === null || pair === null ? null : await readManifest(archive, pair);
  return typeof manifest === 'string' ? null : manifest;
}

/** Components of the vectors in the newest backup, by its first point; null where there is none. */
export async function sizeInBackup(context: StepContext): Promise<number | null> {
  const { archive } = context;
  const file = vectorsInUse(context)?.vectors ?? null;
  if (archive === null || file === null) return null;
  for await (const part of readVectorsFile(file.path, gunzipStream(archive, file))) {
    const [first] = part.kind === 'points' ? part.points : [];
    if (first !== undefined) return first.vector.size;
  }
  return null;
}

/** What a provider gives: as it says, else as one short text shows. @throws Failure where it cannot be had */
async function sizeOf(provider: EmbeddingProvider, { signal, notice }: StepContext): Promise<number> {
  if (provider.size !== null) return provider.size;
  let size = 0;
  for await (const { items } of embedAll(provider, [{ text: 'A short text.' }], {
    size: null,
    signal,
    notice,
  })) {
    size = items[0]?.vector.length ?? size;
  }
  return size;
}

async function sizeFromSettings(context: StepContext): Promise<number> {
  const { embedder, vectorSettings, options } = context;
  try {
    if (options.viaApi) return (await sizeOfService(context)) ?? vectorSettings.size;
    return await sizeOf(embedder(vectorSettings.size), context);
  } catch (error) {
    // A collection can be made without a provider; whoever needs one says that there is none.
    if (!(error instanceof Failure)) throw error;
    return vectorSettings.size;
  }
}

function withSize(config: Record<string, unknown>, size: number): Record<string, unknown> {
  const params = field(config, 'params') as Record<string, unknown>;
  const vectors = params['vectors'] as Record<string, unknown>;
  const resized =
    typeof vectors['size'] === 'number'
      ? { ...vectors, size }
      : { ...vectors, '': { ...(vectors[''] as object), size } };
  return { ...config, params: { ...params, vectors: resized } };
}

function noPlace(collection: string): Failure {
  return new Failure({
    operation: 'write vectors into the collection',
    subject: collection,
    reason: 'all its vectors have names, and AutoMem writes and searches the one without a name',
    hint: 'Nothing was changed. Set QDRANT_COLLECTION to the collection that AutoMem uses, or to a new name, and it will be made.',
    exitCode: ExitCode.usage,
    code: 'no-unnamed-vector',
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
