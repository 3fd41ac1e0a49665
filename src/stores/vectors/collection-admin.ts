import type { VectorStore } from './vector-store.js';
import { collectionPath } from './vector-requests.js';

/** Everything that is needed to make a collection again, but its points. Plain data, for a journal. */
export interface CollectionDescription {
  /** The collection's own name, also where it was asked for by an alias. */
  name: string;
  /** As GET /collections/{name} gives it. */
  config: Record<string, unknown>;
  /** Payload indexes as GET /collections/{name} gives them. */
  payloadSchema: PayloadSchema;
  aliases: string[];
}

/** Payload indexes by field; `params` where an index was made with any. */
export type PayloadSchema = Record<string, { data_type: string; params?: Record<string, unknown> | null }>;

/** One unnamed vector, as AutoMem makes it. */
export interface PlainVectors {
  size: number;
  distance: 'Cosine' | 'Dot' | 'Euclid' | 'Manhattan';
}

/** Building an index, or throwing away a large collection, may take longer than any read. */
const MIN_TIMEOUT_MS = 10 * 60_000;

const CREATABLE_PARAMS = [
  'vectors',
  'sparse_vectors',
  'shard_number',
  'sharding_method',
  'replication_factor',
  'write_consistency_factor',
  'on_disk_payload',
  'payload',
];
const CREATABLE_CONFIG: Record<string, string> = {
  hnsw_config: 'hnsw_config',
  // Asked for under one name, reported under another.
  optimizer_config: 'optimizers_config',
  wal_config: 'wal_config',
  quantization_config: 'quantization_config',
  strict_mode_config: 'strict_mode_config',
  metadata: 'metadata',
};
/** Settings that only a change of a collection takes. */
const CHANGEABLE_PARAMS = ['read_fan_out_factor', 'read_fan_out_delay_ms'];

/** What there is of a collection besides its points; null where there is none of that name or alias. */
export async function describeCollection(
  store: VectorStore,
  name: string,
): Promise<CollectionDescription | null> {
  const { requests } = store;
  const { exists } = await requests.result<{ exists: boolean }>({
    operation: 'look for the collection',
    method: 'GET',
    path: collectionPath(name, '/exists'),
  });
  if (!exists) return null;
  const found = await requests.result<{ config: Record<string, unknown>; payload_schema?: PayloadSchema }>({
    operation: 'read the collection settings',
    method: 'GET',
    path: collectionPath(name),
  });
  const { aliases } = await requests.result<{ aliases: { alias_name: string; collection_name: string }[] }>({
    operation: 'list the aliases',
    method: 'GET',
    path: '/aliases',
  });
  const real = aliases.find((alias) => alias.alias_name === name)?.collection_name ?? name;
  const own = aliases.filter((alias) => alias.collection_name === real).map((alias) => alias.alias_name);
  return {
    name: real,
    config: found.config,
    payloadSchema: withoutCounts(found.payload_schema),
    aliases: own,
  };
}

/** How many points an index covers is of no use later. */
function withoutCounts(schema: PayloadSchema = {}): PayloadSchema {
  return Object.fromEntries(
    Object.entries(schema).map(([field, { data_type, params }]) => [
      field,
      { data_type, ...(params === undefined || params === null ? {} : { params }) },
    ]),
  );
}

/**
 * Makes an empty collection, from a recorded config or for one unnamed vector. Of a config everything is kept that a
 * collection can be made with: vectors, named and sparse ones too, distance, HNSW, quantization, optimizers, shards.
 *
 * @throws Failure "collection-exists" where there is one
 */
export async function createCollection(
  store: VectorStore,
  name: string,
  config: Record<string, unknown> | PlainVectors,
): Promise<void> {
  const ask = { path: collectionPath(name), retry: 'never', timeoutMs: patience(store) } as const;
  const recorded: Record<string, unknown> = isPlain(config) ? { params: { vectors: config } } : config;
  const body = creation(recorded);
  await store.requests.result({ ...ask, operation: 'make the collection', method: 'PUT', body });
  const params = picked(recorded['params'], CHANGEABLE_PARAMS);
  if (Object.keys(params).length === 0) return;
  await store.requests.result({
    ...ask,
    operation: 'set up the collection',
    method: 'PATCH',
    body: { params },
  });
}

function isPlain(config: Record<string, unknown> | PlainVectors): config is PlainVectors {
  return 'size' in config;
}

function creation(config: Record<string, unknown>): Record<string, unknown> {
  const body = picked(config['params'], CREATABLE_PARAMS);
  for (const [reported, asked] of Object.entries(CREATABLE_CONFIG)) {
    const value = withoutNulls(config[reported]);
    if (value !== null) body[asked] = value;
  }
  return body;
}

function picked(params: unknown, keys: readonly string[]): Record<string, unknown> {
  const from = (params ?? {}) as Record<string, unknown>;
  const entries = keys.map((key) => [key, withoutNulls(from[key])] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

/** A setting that is null is one that was not made. */
function withoutNulls(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, field]) => [key, withoutNulls(field)] as const)
      .filter(([, field]) => field !== null),
  );
}

/** Makes payload indexes, one after the other, with the params they had. Indexes that exist already stay. */
export async function createPayloadIndexes(
  store: VectorStore,
  name: string,
  schema: PayloadSchema,
): Promise<void> {
  for (const [field, { data_type, params }] of Object.entries(schema)) {
    const given = params === undefined || params === null ? data_type : { type: data_type, ...params };
    await store.requests.result({
      operation: `make the payload index on ${field}`,
      method: 'PUT',
      path: collectionPath(name, '/index?wait=true'),
      body: { field_name: field, field_schema: given },
      timeoutMs: patience(store),
    });
  }
}

/** Lets aliases lead to a collection, wherever they led before. */
export async function createAliases(
  store: VectorStore,
  name: string,
  aliases: readonly string[],
): Promise<void> {
  if (aliases.length === 0) return;
  await store.requests.result({
    operation: 'set the aliases',
    method: 'POST',
    path: '/collections/aliases',
    body: {
      actions: aliases.map((alias) => ({ create_alias: { collection_name: name, alias_name: alias } })),
    },
  });
}

/** Deletes a collection with its points, indexes and aliases; its snapshots stay. @returns false where there was none */
export async function deleteCollection(store: VectorStore, name: string): Promise<boolean> {
  return store.requests.result<boolean>({
    operation: 'delete the collection',
    method: 'DELETE',
    path: collectionPath(name),
    timeoutMs: patience(store),
  });
}

function patience(store: VectorStore): number {
  return Math.max(store.address.timeoutMs, MIN_TIMEOUT_MS);
}
