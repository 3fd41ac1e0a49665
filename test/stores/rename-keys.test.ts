import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { renameKeys, type Rename } from '../../src/stores/graph/rename-keys.js';
import { startEngines, type TestEngines } from '../support/engines.js';

let engines: TestEngines;
let store: GraphStore;

beforeAll(async () => {
  engines = await startEngines();
  store = await GraphStore.open(engines.graph);
});

afterAll(async () => {
  store.close();
  await engines.stop();
});

beforeEach(async () => {
  await store.command('empty the server', 'FLUSHALL');
  for (const key of ['live', 'staged']) await store.command('make a key', 'SET', key, key);
});

const rename = (...renames: Rename[]): Promise<boolean> =>
  renameKeys(store, 'rename', renames, [['SET', 'mark', 'made']]);
const values = async (...keys: string[]): Promise<unknown> => store.command('read', 'MGET', ...keys);

it('renames one after the other, and sends what belongs to it', async () => {
  expect(await rename(['live', 'kept'], ['staged', 'live'])).toBe(true);
  expect(await values('live', 'kept', 'staged', 'mark')).toEqual(['staged', 'live', null, 'made']);
});

it.each<[string, Rename[]]>([
  [
    'a source is not there',
    [
      ['live', 'aside'],
      ['gone', 'live'],
    ],
  ],
  [
    'the first source is not there',
    [
      ['gone', 'aside'],
      ['staged', 'new'],
    ],
  ],
  ['a target is there', [['live', 'staged']]],
  ['a target is there that nothing makes room for', [['staged', 'live']]],
])('renames nothing where %s', async (_, renames) => {
  await expect(rename(...renames)).rejects.toMatchObject({ code: 'keys-changed' });
  expect(await values('live', 'staged', 'aside', 'mark')).toEqual(['live', 'staged', null, null]);
});
