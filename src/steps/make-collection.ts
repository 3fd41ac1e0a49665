import { ExitCode, Failure } from '../failure.js';
import {
  createAliases,
  createCollection,
  createPayloadIndexes,
  deleteCollection,
  describeCollection,
  type CollectionDescription,
} from '../stores/vectors/collection-admin.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { StepContext } from './step.js';
import { newCollection, placeIn } from './vectors/vector-place.js';

/**
 * Makes the collection as it was; an empty one that the vectors do not fit into is deleted before, if the plan said so, and
 * its payload indexes and aliases are made again. A run that was killed within finds what is done already.
 *
 * @throws Failure where somebody wrote a point into the empty collection meanwhile
 */
export async function makeCollection(context: StepContext): Promise<string> {
  const { vectors, collection, changes, work } = context;
  const config = await newCollection(context);
  const isThere = (await vectors.collection(collection)) !== null;
  const isUnfit = isThere && work.makesCollectionAnew;
  const replaced = await whatIsReplaced(context, isUnfit);
  const create = {
    kind: 'collection-create',
    collection,
    ...(replaced === null ? {} : { replaced }),
  } as const;
  await changes.make(create, async () => {
    if (isUnfit) await deleteEmpty(context, replaced?.name ?? collection);
    if (isUnfit || !isThere) await createCollection(vectors, replaced?.name ?? collection, config);
    if (replaced !== null) await dress(vectors, replaced);
    return create;
  });
  work.makesCollectionAnew = false;
  const place = placeIn(config);
  const shape = place === null ? '' : ` with ${place.size} dimensions, ${place.distance}`;
  const instead = replaced === null ? '' : `, in place of an empty one with ${sizeOf(replaced)}`;
  return `the collection "${collection}" was made${shape}${instead}`;
}

/** What a process before this one noted of it counts: by now it may be deleted. */
async function whatIsReplaced(
  { vectors, collection, changes }: StepContext,
  isUnfit: boolean,
): Promise<CollectionDescription | null> {
  const begun = changes.made('collection-create');
  if (begun?.phase === 'intent' && begun.change.replaced !== undefined) return begun.change.replaced;
  return isUnfit ? describeCollection(vectors, collection) : null;
}

/** The count is exact, and the last thing that is asked before. */
async function deleteEmpty({ vectors, changes }: StepContext, name: string): Promise<void> {
  await changes.check();
  const points = await vectors.count(name);
  if (points > 0) throw filled(name, points);
  await deleteCollection(vectors, name);
}

/** What an empty collection has besides its settings. */
export async function dress(
  vectors: VectorStore,
  { name, payloadSchema, aliases }: CollectionDescription,
): Promise<void> {
  await createPayloadIndexes(vectors, name, payloadSchema);
  await createAliases(vectors, name, aliases);
}

function sizeOf({ config }: CollectionDescription): string {
  return `${placeIn(config)?.size ?? 'other'} dimensions`;
}

function filled(collection: string, points: number): Failure {
  return new Failure({
    operation: 'make the empty collection anew',
    subject: collection,
    reason: `it was empty when the run began, and holds ${points} points now`,
    hint: 'It was not touched. Stop the service that writes to it, which embeds in another size than the backup has, and look at what it wrote. Then delete the collection, or name another with QDRANT_COLLECTION.',
    exitCode: ExitCode.usage,
    code: 'collection-filled',
  });
}
