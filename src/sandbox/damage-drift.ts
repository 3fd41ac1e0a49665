import {
  countMemories,
  fraction,
  pointIds,
  removeNodes,
  removePoints,
  setTypes,
  withStores,
} from './damage-stores.js';
import type { DamageScenario } from './damage-types.js';

/** Memories are missing from one store while the other still has them: by a hash of the id, always the same ones. */
export function drift(percent: number, where: string): DamageScenario {
  const both = percent <= 50;
  const share = percent / 100;
  const fromGraph = (id: string): boolean => fraction(id) < (both ? share / 2 : share);
  const fromVectors = (id: string): boolean => both && fraction(id) >= share / 2 && fraction(id) < share;
  return {
    name: `drift-${percent}`,
    description: `${percent} % of the memories are missing from one store: ${where}`,
    needs: [],
    apply: (stores) =>
      withStores(stores, async (redis, client) => {
        const { graph, vectors } = stores;
        const ids = await pointIds(client, vectors.collection);
        const done = [await removeNodes(redis, graph.name, ids.filter(fromGraph))];
        const gone = ids.filter(fromVectors);
        if (gone.length > 0) done.push(await removePoints(client, vectors.collection, gone));
        return done;
      }),
  };
}

/** The share of the memories that `equal-count-drift` takes from Qdrant. */
const EQUAL_SHARE = 0.06;

/** Both stores end up with the same number of memories, and yet not with the same ones: a comparison of counts is blind. */
export const equalCountDrift: DamageScenario = {
  name: 'equal-count-drift',
  description:
    'each store lacks other memories, and both count the same: whoever compares counts sees nothing',
  needs: [],
  apply: (stores) =>
    withStores(stores, async (redis, client) => {
      const { graph, vectors } = stores;
      const ids = byFraction(await pointIds(client, vectors.collection));
      // Memories without content have no point: their number must go, too, or the counts would still differ.
      const surplus = (await countMemories(redis, graph.name)) - ids.length;
      const some = Math.max(1, Math.round(ids.length * EQUAL_SHARE));
      const fromGraph = some + Math.max(0, surplus);
      const fromVectors = some + Math.max(0, -surplus);
      return [
        await removeNodes(redis, graph.name, ids.slice(0, fromGraph)),
        await removePoints(client, vectors.collection, ids.slice(fromGraph, fromGraph + fromVectors)),
      ];
    }),
};

/** What an older recovery script left in `type`: names of the language's types, or a flattened piece of the metadata. */
const WRONG_TYPES = ['str', 'dict', 'NoneType', 'list', 'float', "{'source': 'slack'}", "['import', 'cli']"];

/** 490 of 773 memories, as AutoMem's changelog tells. */
const WRONG_SHARE = 490 / 773;

export const wrongTypes: DamageScenario = {
  name: 'wrong-types',
  description:
    'an older recovery put wrong types on most memories of the graph; the payloads are still right',
  needs: [],
  apply: (stores) =>
    withStores(stores, async (redis, client) => {
      const ids = await pointIds(client, stores.vectors.collection);
      const types = new Map<string, string[]>(WRONG_TYPES.map((type) => [type, []]));
      for (const id of ids) {
        const place = fraction(id) / WRONG_SHARE;
        const type = WRONG_TYPES[Math.floor(place * WRONG_TYPES.length)];
        if (place < 1 && type !== undefined) types.get(type)?.push(id);
      }
      return [await setTypes(redis, stores.graph.name, types)];
    }),
};

/** In an order that depends on the ids alone, and has nothing to do with their age. */
function byFraction(ids: readonly string[]): string[] {
  return ids
    .map((id) => ({ id, place: fraction(id) }))
    .sort((a, b) => a.place - b.place || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
}
