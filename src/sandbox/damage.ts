import { hash } from 'node:crypto';
import type { QdrantClient } from '@qdrant/js-client-rest';
import type { Redis } from 'ioredis';
import { ExitCode, Failure } from '../failure.js';
import { connectGraph, graphFailure } from '../stores/graph/connection.js';
import { toCypherLiteral } from '../stores/graph/cypher.js';
import type { StoreAddresses } from './addresses.js';
import { qdrantClient, qdrantFailure } from './qdrant-client.js';

/** A way to break the stores, for drills. */
export interface DamageScenario {
  name: string;
  description: string;
  /** Breaks them. @returns what was done, a sentence for each store. @throws Failure when a store does not obey. */
  apply(stores: StoreAddresses): Promise<string[]>;
}

/** Every scenario; `damageScenario` finds one by name. */
export const DAMAGE_SCENARIOS: readonly DamageScenario[] = [
  {
    name: 'graph-lost',
    description: 'the graph is gone, key and all, as after a lost disk',
    apply: ({ graph }) => withGraph(graph, async (redis) => [await loseGraph(redis, graph.name)]),
  },
  {
    name: 'graph-empty',
    description: 'the graph is there, but holds nothing',
    apply: ({ graph }) => withGraph(graph, async (redis) => [await emptyGraph(redis, graph.name)]),
  },
  {
    name: 'vectors-lost',
    description: 'the collection is gone',
    apply: ({ vectors }) =>
      withVectors(vectors, async (client) => [await loseVectors(client, vectors.collection)]),
  },
  {
    name: 'vectors-empty',
    description: 'the collection is there, but holds no point',
    apply: ({ vectors }) =>
      withVectors(vectors, async (client) => [await emptyVectors(client, vectors.collection)]),
  },
  {
    name: 'both-lost',
    description: 'graph and collection are gone',
    apply: async ({ graph, vectors }) => [
      ...(await withGraph(graph, async (redis) => [await loseGraph(redis, graph.name)])),
      ...(await withVectors(vectors, async (client) => [await loseVectors(client, vectors.collection)])),
    ],
  },
  drift(3, 'half of them in each store'),
  drift(20, 'half of them in each store'),
  drift(60, 'all of them in the graph'),
];

/** @throws Failure that names the scenarios there are. */
export function damageScenario(name: string): DamageScenario {
  const scenario = DAMAGE_SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario) return scenario;
  throw new Failure({
    operation: 'damage the stores',
    subject: name,
    reason: 'there is no such scenario',
    hint: `Name one of: ${DAMAGE_SCENARIOS.map((candidate) => candidate.name).join(', ')}.`,
    exitCode: ExitCode.usage,
    code: 'unknown-scenario',
  });
}

/** Memories are missing from one store while the other still has them: by a hash of the id, always the same ones. */
function drift(percent: number, where: string): DamageScenario {
  const both = percent <= 50;
  return {
    name: `drift-${percent}`,
    description: `${percent} % of the memories are missing from one store: ${where}`,
    apply: async ({ graph, vectors }) => {
      const share = percent / 100;
      const fromGraph = (id: string): boolean => fraction(id) < (both ? share / 2 : share);
      const fromVectors = (id: string): boolean => both && fraction(id) >= share / 2 && fraction(id) < share;
      return withGraph(graph, (redis) =>
        withVectors(vectors, async (client) => {
          const ids = await pointIds(client, vectors.collection);
          const done = [await removeNodes(redis, graph.name, ids.filter(fromGraph))];
          const gone = ids.filter(fromVectors);
          if (gone.length > 0) done.push(await removePoints(client, vectors.collection, gone));
          return done;
        }),
      );
    },
  };
}

/** A number in [0, 1) that depends on the text alone. */
function fraction(text: string): number {
  return parseInt(hash('sha256', text, 'hex').slice(0, 8), 16) / 2 ** 32;
}

async function withGraph<T>(
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

async function withVectors<T>(
  target: StoreAddresses['vectors'],
  work: (client: QdrantClient) => Promise<T>,
): Promise<T> {
  try {
    return await work(qdrantClient(target));
  } catch (error) {
    throw qdrantFailure('damage the collection', target, error);
  }
}

async function loseGraph(redis: Redis, name: string): Promise<string> {
  if ((await redis.exists(name)) === 0) return `the graph ${name} was not there`;
  await redis.call('GRAPH.DELETE', name);
  return `deleted the graph ${name}`;
}

async function emptyGraph(redis: Redis, name: string): Promise<string> {
  await loseGraph(redis, name);
  // A query on a key that is not there makes an empty graph.
  await redis.call('GRAPH.QUERY', name, 'MATCH (n) RETURN count(n)');
  return `emptied the graph ${name}`;
}

async function loseVectors(client: QdrantClient, name: string): Promise<string> {
  const existed = await client.deleteCollection(name);
  return existed ? `deleted the collection ${name}` : `the collection ${name} was not there`;
}

async function emptyVectors(client: QdrantClient, name: string): Promise<string> {
  const { count } = await client.count(name, { exact: true });
  await client.delete(name, { wait: true, filter: {} });
  return `deleted all ${count} points of the collection ${name}`;
}

async function pointIds(client: QdrantClient, name: string): Promise<string[]> {
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

async function removeNodes(redis: Redis, name: string, ids: string[]): Promise<string> {
  // A query would make the graph.
  if ((await redis.exists(name)) === 0) return `the graph ${name} was not there`;
  for (let start = 0; start < ids.length; start += 1_000) {
    const list = toCypherLiteral(ids.slice(start, start + 1_000));
    await redis.call(
      'GRAPH.QUERY',
      name,
      `CYPHER ids=${list} MATCH (m:Memory) WHERE m.id IN $ids DETACH DELETE m`,
    );
  }
  return `deleted ${ids.length} memories, with their relationships, from the graph ${name}`;
}

async function removePoints(client: QdrantClient, name: string, ids: string[]): Promise<string> {
  for (let start = 0; start < ids.length; start += 1_000) {
    await client.delete(name, { wait: true, points: ids.slice(start, start + 1_000) });
  }
  return `deleted ${ids.length} points from the collection ${name}`;
}
