import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Double, type Value } from '../../src/memory/values.js';
import { GraphStore } from '../../src/stores/graph/graph-store.js';
import {
  liveNodes,
  liveRelationships,
  nodesAt,
  relationshipsBetween,
} from '../../src/stores/graph/live-pages.js';
import { LiveWriter, type NewNode } from '../../src/stores/graph/live-writer.js';
import type { GraphGuard } from '../../src/stores/write-guard.js';
import { officialImage, startEngines, type TestEngines } from '../support/engines.js';
import { startProxy } from '../support/proxy.js';

const G = 'live';

let engines: TestEngines;
let store: GraphStore;
let writer: LiveWriter;

beforeAll(async () => {
  engines = await startEngines({ moduleArgs: officialImage });
  store = await GraphStore.open(engines.graph);
  writer = new LiveWriter(store, G, null);
});

afterAll(async () => {
  store.close();
  await engines.stop();
});

/** A guard as a run has it: the lease beside the graph, as a key. */
function guardOf(token: string): GraphGuard & { proven: boolean[]; watches: number } {
  const guard = {
    proven: [] as boolean[],
    watches: 0,
    mayWrite: () => Promise.resolve(),
    sending: () => (isProven: boolean) => void guard.proven.push(isProven),
    watch: async ({ redis }: GraphStore) => {
      guard.watches++;
      await redis.watch('lease');
      if ((await redis.get('lease')) !== token) throw new Error('the lease is lost');
      return true;
    },
  };
  return guard;
}

describe('guarded', () => {
  const node = (id: string): NewNode => ({ labels: ['Guarded'], properties: { id } });
  const count = (): Promise<number> => store.scalar(G, 'MATCH (n:Guarded) RETURN count(n)');
  beforeAll(() => store.write(G, 'CREATE (:Other)'));

  it('comes to nothing where the lease is taken over at that very moment', async () => {
    await store.redis.set('lease', '1');
    const proxy = await startProxy(engines.graph);
    const behind = await GraphStore.open(proxy);
    proxy.when(/CREATE \(n/, () => store.redis.set('lease', '2'));
    const guard = guardOf('1');
    await expect(new LiveWriter(behind, G, guard).createNodes([node('a'), node('b')])).rejects.toThrow(
      'the lease is lost',
    );
    expect(await count()).toBe(0);
    expect(guard.proven).toEqual([true]);
    behind.close();
    await proxy.stop();
  });

  it('goes on after a heartbeat at that moment, once', async () => {
    await store.redis.set('lease', '1');
    const proxy = await startProxy(engines.graph);
    const behind = await GraphStore.open(proxy);
    proxy.when(/CREATE \(n/, () => store.redis.set('lease', '1'));
    const guard = guardOf('1');
    const ids = await new LiveWriter(behind, G, guard).createNodes([node('a'), node('b')]);
    expect(new Set(ids).size).toBe(2);
    expect(await count()).toBe(2);
    expect(guard.watches).toBe(2);
    behind.close();
    await proxy.stop();
  });

  it('asks, where the user may not WATCH', async () => {
    await store.redis.call('ACL', 'SETUSER', 'plain', 'on', '>pw', '~*', '+@all', '-watch');
    const behind = await GraphStore.open({ ...engines.graph, username: 'plain', password: 'pw' });
    const guard = guardOf('1');
    guard.watch = async (target) => {
      guard.watches++;
      await target.command('look at the lease', 'WATCH', 'lease');
      return true;
    };
    const writer = new LiveWriter(behind, G, guard);
    await writer.createNodes([node('c')]);
    await writer.createNodes([node('d')]);
    expect(await count()).toBe(4);
    expect(guard.watches).toBe(1);
    expect(guard.proven).toEqual([false, false]);
    guard.mayWrite = () => Promise.reject(new Error('the lease is lost'));
    await expect(writer.createNodes([node('e')])).rejects.toThrow('the lease is lost');
    expect(await count()).toBe(4);
    behind.close();
  });

  it('tells what is wrong with a query of a transaction', async () => {
    await store.redis.set('lease', '1');
    const bad = [{ labels: ['Guarded'], properties: { a: [{}] as Value[] } }];
    await expect(new LiveWriter(store, G, guardOf('1')).createNodes(bad)).rejects.toMatchObject({
      code: 'graph-error',
    });
  });
});

describe('changing a graph in place', () => {
  it('creates nodes with any labels, and tells their ids in the order of the nodes', async () => {
    const nodes = Array.from({ length: 450 }, (_, i) => ({
      labels: i % 2 === 0 ? ['Memory'] : ['Odd one', 'Memory'],
      properties: {
        id: `n${i}`,
        whole: 1,
        double: new Double(1),
        text: `it's \\ "${i}" 🧠\n`,
        list: [1, new Double(2)],
      },
    }));
    const ids = await writer.createNodes(nodes);
    const found = await nodesAt(store, G, ids);
    expect(ids.map((id) => found.get(id)?.properties)).toEqual(nodes.map(({ properties }) => properties));
    expect(found.get(ids[1] ?? -1)?.labels.toSorted()).toEqual(['Memory', 'Odd one']);
  });

  it('sets all properties, 1.0 over 1 too, and leaves alone what is not as it was', async () => {
    const [a = -1, b = -1] = await writer.createNodes([
      { labels: ['P'], properties: { x: 1, gone: true, name: 'a' } },
      { labels: ['P'], properties: { x: 1, name: 'b' } },
    ]);
    const done = await writer.setProperties([
      { internalId: a, properties: { x: new Double(1), name: 'a' }, still: { name: 'a', other: null } },
      { internalId: b, properties: { x: 2 }, still: { name: 'changed meanwhile', other: null } },
    ]);
    expect([...done]).toEqual([a]);
    const found = await nodesAt(store, G, [a, b]);
    expect(found.get(a)?.properties).toEqual({ x: new Double(1), name: 'a' });
    expect(found.get(b)?.properties).toEqual({ x: 1, name: 'b' });
    await writer.setLabels(a, { add: ['Q'], remove: ['P'] });
    expect((await nodesAt(store, G, [a])).get(a)?.labels).toEqual(['Q']);
    expect([...(await writer.deleteNodes([{ internalId: a }, { internalId: 999_999 }]))]).toEqual([a]);
  });

  it('creates, changes and deletes one of several parallel relationships', async () => {
    const [a = -1, b = -1] = await writer.createNodes([
      { labels: ['P'], properties: {} },
      { labels: ['P'], properties: {} },
    ]);
    const made = await writer.createRelationships([
      { source: a, target: b, type: 'R', properties: { n: 1 } },
      { source: a, target: b, type: 'odd type', properties: {} },
      { source: a, target: b, type: 'R', properties: { n: 2 } },
      { source: a, target: 999_999, type: 'R', properties: {} },
    ]);
    expect(made.map((id) => id === null)).toEqual([false, false, false, true]);
    const there = await relationshipsBetween(store, G, [[a, b]]);
    expect(there.map(({ internalId }) => internalId).sort()).toEqual(made.slice(0, 3).sort());
    const [first, second] = there
      .filter(({ type }) => type === 'R')
      .sort((x, y) => x.internalId - y.internalId);
    if (first === undefined || second === undefined) throw new Error('not there');
    expect(await writer.setRelationships([{ ...first, properties: { n: new Double(1) } }])).toBe(1);
    expect(await writer.deleteRelationships([second])).toBe(1);
    const left = await relationshipsBetween(store, G, [[a, b]]);
    expect(left.filter(({ type }) => type === 'R').map(({ properties }) => properties)).toEqual([
      { n: new Double(1) },
    ]);
  });

  it('reads more than the result cap, also from one node', async () => {
    await store.write(
      'hub',
      'CREATE (h:Hub) WITH h UNWIND range(1, 12000) AS i CREATE (h)-[:R {i: i}]->(:Leaf {i: i})',
    );
    const ids = new Set<number>();
    for await (const page of liveRelationships(store, 'hub'))
      for (const { internalId } of page) ids.add(internalId);
    expect(ids.size).toBe(12_000);
    let nodes = 0;
    for await (const page of liveNodes(store, 'hub')) nodes += page.length;
    expect(nodes).toBe(12_001);
  });
});
