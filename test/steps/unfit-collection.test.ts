import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { compareVectors, readVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import { GRAPH, Lab, type CommandRun } from '../support/lab.js';
import { startProxy } from '../support/proxy.js';

let lab: Lab;
let pristine: VectorSnapshot;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60 });
  await lab.keep();
  pristine = await readVectors(lab.stores.vectors);
});

afterAll(async () => {
  await pristine.close();
  await lab.stop();
});

beforeEach(() => lab.reset());

const COLLECTION = `/collections/${GRAPH}`;

/** An empty collection as a service makes it that was started with another VECTOR_SIZE, with what somebody gave it besides. */
async function emptyOfOtherSize(): Promise<void> {
  await lab.qdrant('DELETE', COLLECTION);
  await lab.qdrant('PUT', COLLECTION, { vectors: { size: 4, distance: 'Cosine' } });
  await dress();
}

async function dress(): Promise<void> {
  const index = { field_name: 'mine', field_schema: 'integer' };
  await lab.qdrant('PUT', `${COLLECTION}/index?wait=true`, index);
  const alias = { create_alias: { collection_name: GRAPH, alias_name: 'other-name' } };
  await lab.qdrant('POST', '/collections/aliases', { actions: [alias] });
}

/** Components, points, payload indexes, aliases. */
async function shape(): Promise<{ size: number; points: number; indexes: string[]; aliases: string[] }> {
  type Info = {
    config: { params: { vectors: { size: number } } };
    payload_schema: Record<string, unknown>;
  };
  const { config, payload_schema } = await lab.qdrant<Info>('GET', COLLECTION);
  const { count } = await lab.qdrant<{ count: number }>('POST', `${COLLECTION}/points/count`, {
    exact: true,
  });
  const { aliases } = await lab.qdrant<{ aliases: { alias_name: string }[] }>('GET', `${COLLECTION}/aliases`);
  return {
    size: config.params.vectors.size,
    points: count,
    indexes: Object.keys(payload_schema).sort(),
    aliases: aliases.map(({ alias_name }) => alias_name),
  };
}

const EMPTY = { size: 4, points: 0, indexes: ['mine'], aliases: ['other-name'] };

/** Vectors and payloads as before, and what the empty collection had besides. */
async function expectRestored(run: CommandRun): Promise<void> {
  expect(run.summary.failure ?? null).toBeNull();
  expect([0, 5]).toContain(run.exitCode);
  const { indexes, aliases } = await shape();
  expect([indexes, aliases]).toEqual([['mine', 'tag_prefixes', 'tags'], ['other-name']]);
  const now = await readVectors(lab.stores.vectors);
  const { points } = await compareVectors(pristine, now);
  await now.close();
  expect(points).toMatchObject({ missing: 0, extra: 0, vectorChanged: 0 });
}

const rollback = (run: CommandRun): Promise<CommandRun> =>
  lab.run(['runs', 'rollback', run.summary.run, '--confirm', GRAPH]);

describe('an empty collection of another size', () => {
  it('as fresh-start leaves it is made as the backup had it, and a rollback puts it back', async () => {
    await lab.damage('both-lost');
    const env = { VECTOR_SIZE: '4', VECTOR_SIZE_AUTODETECT: 'false' };
    const fresh = await lab.recover(['fresh-start', '--backup', 'none'], { env });
    expect(fresh.summary.outcome).toBe('recovered-with-losses');
    await dress();
    expect(await shape()).toMatchObject({ size: 4, points: 0 });
    const run = await lab.recover(['restore-backup']);
    await expectRestored(run);
    const created = run
      .records('journal')
      .filter(({ change }) => JSON.stringify({ change }).includes('replaced'));
    expect(created.map(({ phase }) => phase)).toEqual(expect.arrayContaining(['intent', 'done']));
    const undone = await rollback(run);
    expect([undone.exitCode, undone.stdout]).toEqual([0, expect.stringContaining('the empty one')]);
    expect(await shape()).toMatchObject({ ...EMPTY, indexes: expect.arrayContaining(['mine']) as string[] });
  });

  it.each([
    ['restore-backup', ['--only', 'vectors']],
    ['reembed-vectors', []],
  ])('is made anew by %s', async (plan, args) => {
    await emptyOfOtherSize();
    const unconfirmed = await lab.run(['recover', plan, ...args, '--json']);
    expect(unconfirmed.summary.failure?.code).toBe('not-confirmed');
    const dry = await lab.recover([plan, ...args, '--dry-run']);
    expect(dry.stdout).toMatch(
      /is empty and made for vectors of 4 components[^"]*those of the backup have 8/,
    );
    expect(await shape()).toEqual(EMPTY);
    await expectRestored(await lab.recover([plan, ...args]));
  });

  it.each([
    ['restore-backup', ['--only', 'vectors'], 'other-size'],
    ['reembed-vectors', [], 'provider-missing'],
  ])('that holds a single point is left as it is by %s', async (plan, args, code) => {
    await emptyOfOtherSize();
    await lab.upsert([{ id: 1, payload: { mine: 1 } }], 4);
    const before = [await shape(), await lab.points()];
    const run = await lab.recover([plan, ...args]);
    expect(run.summary.failure?.code).toBe(code);
    expect([await shape(), await lab.points()]).toEqual(before);
  });

  it('is left as it is where a point comes at the last moment', async () => {
    await emptyOfOtherSize();
    let written: Promise<unknown> = Promise.resolve();
    const { hostname: host, port } = new URL(lab.engines.vectors.url);
    const proxy = await startProxy({ host, port: Number(port) });
    // Looking for aliases is what is done last before the collection is counted and deleted.
    proxy.when(/GET \/aliases/, () => (written = lab.upsert([{ id: 1, payload: {} }], 4)));
    const env = { QDRANT_URL: `http://${proxy.host}:${proxy.port}` };
    const run = await lab.recover(['restore-backup', '--only', 'vectors'], { env });
    await written;
    expect(run.summary).toMatchObject({ exitCode: 2, failure: { code: 'collection-filled' } });
    expect(await shape()).toEqual({ ...EMPTY, points: 1 });
    await proxy.stop();
  });

  it.each(['resume', 'rollback'])(
    'that was deleted when the run broke off is there after a %s',
    async (what) => {
      await emptyOfOtherSize();
      const { hostname: host, port } = new URL(lab.engines.vectors.url);
      const proxy = await startProxy({ host, port: Number(port) });
      proxy.when(/PUT \/collections\/memories HTTP/, () => {
        proxy.drop();
        return undefined;
      });
      const env = { QDRANT_URL: `http://${proxy.host}:${proxy.port}` };
      const broken = await lab.recover(['restore-backup', '--only', 'vectors'], { env });
      expect(broken.summary).toMatchObject({ outcome: 'failed', resumable: true });
      expect(await lab.qdrant('GET', `${COLLECTION}/exists`)).toEqual({ exists: false });
      const args = ['runs', what, broken.summary.run, '--confirm', GRAPH];
      const run = await lab.run(what === 'resume' ? [...args, '--json'] : args, { env });
      if (what === 'resume') await expectRestored(run);
      else expect([run.exitCode, await shape()]).toEqual([0, EMPTY]);
      await proxy.stop();
    },
  );
});
