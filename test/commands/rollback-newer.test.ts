import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { GRAPH, Lab, payloadOf, type CommandRun } from '../support/lab.js';
import { startProxy, type Proxy } from '../support/proxy.js';

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start({ settings: { 'maxmemory-policy': 'noeviction' } });
  await lab.fill({ memories: 60 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

const rollback = (run: string, ...args: string[]): Promise<CommandRun> =>
  lab.run(['runs', 'rollback', run, '--confirm', GRAPH, ...args]);
const forget = (run: string, ...args: string[]): Promise<CommandRun> =>
  lab.run(['runs', 'forget', run, ...args]);
const COLLECTION = `/collections/${GRAPH}`;
const snapshots = async (): Promise<string[]> =>
  (await lab.qdrant<{ name: string }[]>('GET', `${COLLECTION}/snapshots`)).map(({ name }) => name);
const CURRENT = `{${GRAPH}}:lifeboat-current`;

interface Point {
  id: string;
  payload: { content?: string };
}
const points = async (): Promise<Point[]> => JSON.parse(await lab.points()) as Point[];
const newId = (n: number): string => `abababab-0000-4000-8000-${String(n).padStart(12, '0')}`;
const isThere = async (): Promise<boolean> =>
  (await lab.qdrant<{ exists: boolean }>('GET', `${COLLECTION}/exists`)).exists;

describe('a collection that the run made', () => {
  async function made(): Promise<string> {
    await lab.qdrant('DELETE', COLLECTION);
    const { summary } = await lab.recover(['restore-backup', '--only', 'vectors']);
    expect(summary.outcome).toBe('recovered');
    return summary.run;
  }

  it('is not deleted unasked where as many points came as went', async () => {
    const run = await made();
    const gone = (await points()).slice(0, 5).map(({ id }) => id);
    await lab.removePoints(gone);
    await lab.upsert(gone.map((_, n) => ({ id: newId(n), payload: payloadOf('new') })));
    const { failure } = await rollback(run);
    expect(failure).toMatchObject({ code: 'newer-points', exitCode: 2 });
    expect(failure?.message).toContain('5 points that came after the run');
    expect(await isThere()).toBe(true);
  });

  it('is not deleted unasked where payloads were changed', async () => {
    const run = await made();
    const ids = (await points()).slice(10, 17).map(({ id }) => id);
    const payload = { content: 'edited after the run' };
    await lab.qdrant('POST', `${COLLECTION}/points/payload?wait=true`, { payload, points: ids });
    expect((await rollback(run)).failure?.message).toContain('7 that were changed after it');
    expect(await isThere()).toBe(true);
  });

  it('is kept in a snapshot when it is deleted, until the run is forgotten', async () => {
    const run = await made();
    await lab.upsert([{ id: newId(1), payload: payloadOf('new') }]);
    const held = await lab.points();
    const undone = await rollback(run, '--discard-newer');
    expect(undone.exitCode).toBe(0);
    const [, name = ''] =
      /is deleted; what it was until now is kept as the snapshot "([^"]+)"/.exec(undone.stdout) ?? [];
    expect((await lab.run(['runs', 'show', run])).stdout).toContain(`runs forget ${run}`);

    const early = await forget(run, '--confirm', GRAPH);
    expect(early.stdout).toMatch(new RegExp(`"${name}" stays on the server[^]*Once it can be freed`));
    await lab.qdrant('PUT', COLLECTION, { vectors: { size: 8, distance: 'Cosine' } });
    expect(await snapshots()).toContain(name);
    const form = new FormData();
    const { url } = lab.engines.vectors;
    const bytes = await (await fetch(`${url}${COLLECTION}/snapshots/${name}`)).blob();
    form.append('snapshot', bytes, name);
    await fetch(`${url}${COLLECTION}/snapshots/upload?priority=snapshot`, { method: 'POST', body: form });
    expect(await lab.points()).toBe(held);

    const late = await forget(run, '--confirm', GRAPH);
    expect(late.stdout).toContain(`freed the snapshot "${name}"`);
    expect(await snapshots()).not.toContain(name);
    expect(late.stdout).toContain('nothing is kept of it any more');
  });

  it('as the run left it goes without a question', async () => {
    expect((await rollback(await made())).exitCode).toBe(0);
    expect(await isThere()).toBe(false);
  });
});

describe('a rollback beside a writer', () => {
  /** Runs a rollback in which one memory is written before the swap, and another one after it. */
  async function besideWriter(
    onReplace?: (vectors: Proxy) => void,
  ): Promise<{ run: string; undone: CommandRun; again: () => Promise<CommandRun> }> {
    await lab.removePoints((await points()).slice(0, 40).map(({ id }) => id));
    const graph = await startProxy(lab.engines.graph);
    const { hostname: host, port } = new URL(lab.engines.vectors.url);
    const vectors = await startProxy({ host, port: Number(port) });
    const env = { FALKORDB_PORT: String(graph.port), QDRANT_URL: `http://${vectors.host}:${vectors.port}` };
    const { run } = (await lab.recover(['restore-backup'], { env })).summary;
    const write = async (n: number): Promise<void> => {
      await lab.query(`CREATE (:Memory {id: '${newId(n)}', content: 'late ${n}'})`);
      await lab.upsert([{ id: newId(n), payload: payloadOf(`late ${n}`) }]);
    };
    graph.when(/rename[^]*exec/i, async () => {
      // The snapshot is taken; this memory goes aside with the graph of the run.
      await write(1);
      vectors.when(/points\/scroll/, () => write(2));
    });
    if (onReplace !== undefined)
      vectors.when(/snapshots\/upload/, () => {
        onReplace(vectors);
        return undefined;
      });
    const again = (): Promise<CommandRun> => lab.run(['runs', 'rollback', run, '--confirm', GRAPH], { env });
    // A client that was at work a moment ago.
    await lab.query('RETURN 1');
    const undone = await again();
    proxies.push(graph, vectors);
    return { run, undone, again };
  }

  const proxies: Proxy[] = [];
  afterEach(() => Promise.all(proxies.splice(0).map((proxy) => proxy.stop())));

  async function expectSecondOnly(): Promise<void> {
    const now = new Set((await points()).map(({ id }) => id));
    expect([now.has(newId(1)), now.has(newId(2)), now.size]).toEqual([false, true, 21]);
  }

  it('keeps points written after its snapshot, and puts those back whose memory is live', async () => {
    const { run, undone } = await besideWriter();
    expect([undone.exitCode, undone.failure]).toEqual([0, null]);
    expect(undone.stdout).toContain('Stop the service before a rollback');
    expect(undone.stdout).toMatch(/2 points were written while[^]*1 of them, whose memory/);
    const file = readFileSync(join(lab.folder, 'state', 'runs', run, 'newer-points.ndjson'), 'utf8');
    const kept = file
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Point & { vector: number[] });
    expect(kept.map(({ id, payload, vector }) => [id, payload.content, vector.length])).toEqual([
      [newId(1), 'late 1', 8],
      [newId(2), 'late 2', 8],
    ]);
    await expectSecondOnly();
  });

  it('that stops after it kept them puts them back when it goes on', async () => {
    const { undone, again } = await besideWriter((vectors) => vectors.drop());
    expect(undone.failure?.hint).toContain('Not undone: collection "memories"');
    const gone = await again();
    expect([gone.exitCode, gone.failure]).toEqual([0, null]);
    await expectSecondOnly();
  });
});

describe('a repair', () => {
  /** A repair that changes the graph, and a newer run that swaps it, made from another machine. */
  async function repairBelowSwap(env: Record<string, string>): Promise<{ repair: string; swap: string }> {
    const ids = (await lab.query('MATCH (m:Memory) RETURN m.id ORDER BY m.id LIMIT 5')).map(
      ([id]) => `'${String(id)}'`,
    );
    await lab.query(`MATCH (m:Memory) WHERE m.id IN [${ids.join()}] DETACH DELETE m`);
    const repair = await lab.run(['repair', '--always', '--json', '--confirm', GRAPH]);
    expect(repair.exitCode).toBe(0);
    const swap = await lab.recover(['rebuild-graph'], { env });
    return { repair: repair.summary.run, swap: swap.summary.run };
  }

  it('is not undone below the swap of another machine', async () => {
    const { repair, swap } = await repairBelowSwap({ LIFEBOAT_STATE: join(lab.folder, 'other') });
    const before = await lab.keys();
    const { failure } = await rollback(repair);
    expect(failure).toMatchObject({ code: 'newer-run', exitCode: 2 });
    expect(failure?.hint).toContain(`runs rollback ${swap}`);
    expect(await lab.keys()).toEqual(before);
    expect(await lab.redis('GET', CURRENT)).toBe(swap);
  });

  it('that is undone below a forgotten swap leaves no mark of that', async () => {
    const { repair, swap } = await repairBelowSwap({});
    await forget(swap, '--confirm', GRAPH);
    const { failure } = await rollback(repair);
    expect(failure?.code).toBe('newer-run');
    // The command that is named is one that works.
    const [, command = ''] = /lifeboat (runs rollback .*)$/.exec(failure?.hint ?? '') ?? [];
    expect(command).toContain('--discard-newer');
    expect((await lab.run(command.split(' '))).exitCode).toBe(0);
    expect(await lab.redis('GET', CURRENT)).toBeNull();
  });
});

it('a refusal below a newer run names a command that works, where that one was forgotten', async () => {
  const older = (await lab.recover(['rebuild-graph'])).summary.run;
  const newer = (await lab.recover(['rebuild-graph'])).summary.run;
  await forget(newer, '--confirm', GRAPH);
  const { failure } = await rollback(older);
  expect(failure?.hint).not.toContain(`rollback ${newer}`);
  const [, command = ''] = /lifeboat (runs rollback .*)$/.exec(failure?.hint ?? '') ?? [];
  expect((await lab.run(command.split(' '))).exitCode).toBe(0);
});

it('forgetting names the snapshots that hold the points from before a rollback', async () => {
  await lab.removePoints((await points()).slice(0, 40).map(({ id }) => id));
  const { run } = (await lab.recover(['restore-backup', '--only', 'vectors'])).summary;
  await lab.upsert([{ id: newId(1), payload: payloadOf('late') }]);
  const [, name = ''] = /kept as the snapshot "([^"]+)"/.exec((await rollback(run)).stdout) ?? [];
  const { failure } = await forget(run);
  expect(failure?.code).toBe('not-confirmed');
  expect(failure?.hint).toContain(`The snapshot "${name}"`);
});

it('a rollback works while the graph server is full', async () => {
  await lab.damage('graph-empty');
  const { run } = (await lab.recover(['rebuild-graph'])).summary;
  const made = await lab.value('MATCH (n) RETURN count(n)');
  const [, used = '0'] = /used_memory:(\d+)/.exec(String(await lab.redis('INFO', 'memory'))) ?? [];
  await lab.redis('CONFIG', 'SET', 'maxmemory', Number(used) - 100_000);
  const undone = await rollback(run);
  await lab.redis('CONFIG', 'SET', 'maxmemory', 0);
  expect([undone.exitCode, undone.failure]).toEqual([0, null]);
  expect(await lab.query('MATCH (n) RETURN count(n)', `{${GRAPH}}:undone:${run}`)).toEqual([[made]]);
  expect(await lab.redis('GET', CURRENT)).toBeNull();
});
