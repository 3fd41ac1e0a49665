import { hash } from 'node:crypto';
import type { QdrantClient } from '@qdrant/js-client-rest';
import type { Redis } from 'ioredis';
import { connectGraph, graphFailure } from '../stores/graph/connection.js';
import { toCypherLiteral } from '../stores/graph/cypher.js';
import type { StoreAddresses } from './addresses.js';
import { qdrantClient, qdrantFailure } from './qdrant-client.js';

/** Rows in one query or request. */
const BATCH = 1_000;

/** A number in [0, 1) that depends on the text alone. */
export function fraction(text: string): number {
  return parseInt(hash('sha256', text, 'hex').slice(0, 8), 16) / 2 ** 32;
}

/** Both clients at once, closed when the work is done. @throws Failure with the cause, of the store that did not obey. */
export function withStores<T>(
  { graph, vectors }: StoreAddresses,
  work: (redis: Redis, client: QdrantClient) => Promise<T>,
): Promise<T> {
  return withGraph(graph, (redis) => withVectors(vectors, (client) => work(redis, client)));
}

export async function withGraph<T>(
  address: StoreAddresses['graph'],
  work: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = await connectGraph(address);
  try {
    return await work(redis);
  } catch (error) {
    throw graphFailure('damage the graph', address, error);
  } finally {
    redis.disconnect();
  }
}

export async function withVectors<T>(
  target: StoreAddresses['vectors'],
  work: (client: QdrantClient) => Promise<T>,
): Promise<T> {
  try {
    return await work(qdrantClient(target));
  } catch (error) {
    throw qdrantFailure('damage the collection', target, error);
  }
}

export async function loseGraph(redis: Redis, name: string): Promise<string> {
  if ((await redis.exists(name)) === 0) return notThere(name);
  await redis.call('GRAPH.DELETE', name);
  return `deleted the graph ${name}`;
}

export async function emptyGraph(redis: Redis, name: string): Promise<string> {
  await loseGraph(redis, name);
  // A query on a key that is not there makes an empty graph.
  await redis.call('GRAPH.QUERY', name, 'MATCH (n) RETURN count(n)');
  return `emptied the graph ${name}`;
}

export async function loseVectors(client: QdrantClient, name: string): Promise<string> {
  const existed = await client.deleteCollection(name);
  return existed ? `deleted the collection ${name}` : `the collection ${name} was not there`;
}

export async function emptyVectors(client: QdrantClient, name: string): Promise<string> {
  const { count } = await client.count(name, { exact: true });
  await client.delete(name, { wait: true, filter: {} });
  return `deleted all ${count} points of the collection ${name}`;
}

/** Graph and collection, key and all. */
export function loseBoth(stores: StoreAddresses): Promise<string[]> {
  return withStores(stores, async (redis, client) => [
    await loseGraph(redis, stores.graph.name),
    await loseVectors(client, stores.vectors.collection),
  ]);
}

export async function pointIds(client: QdrantClient, name: string): Promise<string[]> {
  const ids: string[] = [];
  let offset: string | number | undefined;
  do {
    const page = await client.scroll(name, {
      limit: 5_000,
      with_payload: false,
      with_vector: false,
      ...(offset === undefined ? {} : { offset }),
    });
    ids.push(...page.points.map(({ id }) => String(id)));
    const next = page.next_page_offset;
    offset = typeof next === 'string' || typeof next === 'number' ? next : undefined;
  } while (offset !== undefined);
  return ids;
}

/** Memories as AutoMem counts them: without the summaries that never have a point. 0 where there is no graph. */
export async function countMemories(redis: Redis, name: string): Promise<number> {
  if ((await redis.exists(name)) === 0) return 0;
  const query = `MATCH (m:Memory) WHERE NOT coalesce(m.type, '') = 'MetaPattern' RETURN count(m)`;
  const reply = (await redis.call('GRAPH.RO_QUERY', name, query)) as [unknown, number[][]];
  return Number(reply[1][0]?.[0]);
}

export async function removeNodes(redis: Redis, name: string, ids: readonly string[]): Promise<string> {
  const query = 'MATCH (m:Memory) WHERE m.id IN $ids DETACH DELETE m';
  if (!(await inBatches(redis, name, query, ids))) return notThere(name);
  return `deleted ${ids.length} memories, with their relationships, from the graph ${name}`;
}

/** Sets the `type` of memories, and nothing else. @param types type → ids of the memories that get it */
export async function setTypes(
  redis: Redis,
  name: string,
  types: ReadonlyMap<string, readonly string[]>,
): Promise<string> {
  let total = 0;
  for (const [type, ids] of types) {
    const query = `MATCH (m:Memory) WHERE m.id IN $ids SET m.type = ${toCypherLiteral(type)}`;
    if (!(await inBatches(redis, name, query, ids))) return notThere(name);
    total += ids.length;
  }
  return `put a wrong type on ${total} memories of the graph ${name}`;
}

export async function removePoints(
  client: QdrantClient,
  name: string,
  ids: readonly string[],
): Promise<string> {
  for (let start = 0; start < ids.length; start += BATCH) {
    await client.delete(name, { wait: true, points: ids.slice(start, start + BATCH) });
  }
  return `deleted ${ids.length} points from the collection ${name}`;
}

/** Runs a query for so many ids at a time. @returns false where there is no graph: a query would make it. */
async function inBatches(
  redis: Redis,
  name: string,
  query: string,
  ids: readonly string[],
): Promise<boolean> {
  if ((await redis.exists(name)) === 0) return false;
  for (let start = 0; start < ids.length; start += BATCH) {
    const list = toCypherLiteral(ids.slice(start, start + BATCH));
    await redis.call('GRAPH.QUERY', name, `CYPHER ids=${list} ${query}`);
  }
  return true;
}

function notThere(name: string): string {
  return `the graph ${name} was not there`;
}
