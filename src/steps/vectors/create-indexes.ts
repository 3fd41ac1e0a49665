import { isMap, type Value } from '../../memory/values.js';
import { createPayloadIndexes, type PayloadSchema } from '../../stores/vectors/collection-admin.js';
import type { Step, StepContext } from '../step.js';
import { manifestOf } from './vector-place.js';

/** The payload indexes that AutoMem makes at its start. */
const AUTOMEM_INDEXES: PayloadSchema = {
  tags: { data_type: 'keyword' },
  tag_prefixes: { data_type: 'keyword' },
};

/** Makes the payload indexes that are missing; those that there are stay as they are. */
export const createIndexes: Step = {
  id: 'create-indexes',
  title: 'Make the payload indexes',
  writes: true,
  store: 'vectors',
  async run(context) {
    const { vectors, collection } = context;
    const wanted = await wantedIndexes(context);
    if (Object.keys(wanted).length === 0) return 'not wanted (QDRANT_ENSURE_PAYLOAD_INDEXES is off)';
    const existing = (await vectors.collection(collection))?.payloadIndexes ?? {};
    const missing = Object.fromEntries(
      Object.entries(wanted).filter(([field]) => existing[field] === undefined),
    );
    const fields = Object.keys(missing);
    if (fields.length === 0) return 'they are all there';
    await context.changes.check();
    await createPayloadIndexes(vectors, collection, missing);
    return `made on ${fields.join(' and ')}`;
  },
};

/** AutoMem's own; and, in a collection that this run made, those that the one before had. */
async function wantedIndexes(context: StepContext): Promise<PayloadSchema> {
  const own = context.vectorSettings.payloadIndexes ? AUTOMEM_INDEXES : {};
  if (context.changes.made('collection-create') === undefined) return own;
  return { ...own, ...asSchema((await manifestOf(context))?.collection?.payloadSchema ?? null) };
}

/** What of a manifest's schema is one: a field with its type, and params where it has any. */
function asSchema(recorded: Value): PayloadSchema {
  if (!isMap(recorded)) return {};
  return Object.fromEntries(
    Object.entries(recorded).flatMap(([field, index]) => {
      const { data_type, params } = isMap(index) ? index : {};
      if (typeof data_type !== 'string') return [];
      return [
        [
          field,
          { data_type, ...(isMap(params ?? null) ? { params: params as Record<string, unknown> } : {}) },
        ],
      ];
    }),
  );
}
