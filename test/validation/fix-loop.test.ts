import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { placeholderVector } from '../../src/memory/placeholder.js';
import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { GRAPH, Lab, payloadOf, type CommandRun, type RunOptions } from '../support/lab.js';
import { startProvider, type TestProvider } from '../support/provider.js';

const NEW = '0a000000-0000-4000-8000-000000000001';

let lab: Lab;
let provider: TestProvider;
let before: GraphSnapshot;
/** An ordinary memory with a point. */
let some: string;

beforeAll(async () => {
  lab = await Lab.start();
  provider = await startProvider({ size: 16 });
  await lab.fill({ memories: 120, dim: 16 });
  await lab.keep();
  before = await lab.snapshot();
  const points = await lab.points();
  const rows = await lab.query(
    'MATCH (m:Memory)--() WHERE size(m.content) > 30 AND size(m.tags) > 0 RETURN DISTINCT m.id ORDER BY m.id',
  );
  some = rows.map(([id]) => String(id)).find((id) => points.includes(id)) ?? '';
});

afterAll(async () => {
  await before.close();
  await provider.stop();
  await lab.stop();
});

beforeEach(async () => {
  provider.reset();
  await lab.reset();
});

const fix = (options: RunOptions = {}): Promise<CommandRun> =>
  lab.run(['validate', '--json', '--fix'], { ...options, env: { ...provider.env, ...options.env } });

/** The results of each validation, first to last. */
function rounds(run: CommandRun): string[] {
  const all = run.events.flatMap((event) => (event.type === 'check' ? [event.check] : []));
  return Array.from({ length: all.length / 5 }, (_, round) =>
    all
      .slice(round * 5, round * 5 + 5)
      .map(({ status }) => status)
      .join(' '),
  );
}

const mends = (run: CommandRun): string[][] =>
  run.events.flatMap((event) => (event.type === 'fix.started' ? [event.mends] : []));

const ALL_PASS = 'pass pass pass pass pass';

function expectMended(run: CommandRun, remedy: string, failed: string): void {
  expect(rounds(run)).toEqual([failed, ALL_PASS]);
  expect(mends(run)).toEqual([[remedy]]);
  expect(run.summary).toMatchObject({ outcome: 'validated', exitCode: 0 });
}

describe('each failed check has its fix run', () => {
  it('the first: waits for a store that comes back', async () => {
    await lab.engines.servers.vectors.stop();
    const back: Promise<unknown>[] = [];
    const run = await fix({
      onEvent: (event) => {
        if (event.type === 'step.started' && event.step === 'await-stores')
          back.push(lab.engines.restartVectors());
      },
    });
    await Promise.all(back);
    expectMended(run, 'retry', 'fail skip pass skip skip');
  });

  it('the second: memories come back and payloads say what the graph says', async () => {
    await lab.upsert([{ id: NEW, payload: payloadOf('an orphan') }], 16);
    await lab.query(`MATCH (m:Memory {id: '${some}'}) SET m.importance = 0.123`);
    expectMended(await fix(), 'sync-drift', 'pass fail pass pass pass');
    expect(await lab.node(NEW)).toMatchObject({ content: 'an orphan' });
  });

  it('the third: relationships come back from the backup, and none twice', async () => {
    await lab.query('MATCH ()-[r]->() DELETE r');
    expectMended(await fix(), 'relationships-from-backup', 'pass pass fail pass pass');
    expect(await lab.differences(before)).toEqual([]);
  });

  it('the fourth: vectors come from the backup where it has them, else from the provider', async () => {
    await lab.removePoints([some]);
    expectMended(await fix(), 'reembed-missing', 'pass pass pass fail pass');
    expect(provider.answered).toEqual([]);

    await lab.upsert([
      { id: NEW, payload: payloadOf('of the outage'), vector: placeholderVector('of the outage', 16) },
    ]);
    await lab.query(
      `CREATE (:Memory {id: '${NEW}', content: 'of the outage', type: 'Decision', tags: ['lab'], importance: 0.7, confidence: 0.9, metadata: '{}', timestamp: '2026-11-01T10:00:00+00:00', updated_at: '2026-11-01T10:00:00+00:00'})`,
    );
    expectMended(await fix(), 'reembed-missing', 'pass pass pass fail pass');
    expect(provider.answered.flat()).toContain('of the outage');
  });

  it('the fifth: payload indexes are made', async () => {
    await lab.qdrant('DELETE', `/collections/${GRAPH}/index/tags?wait=true`);
    expectMended(await fix(), 'create-indexes', 'pass pass pass pass fail');
    const { payload_schema } = await lab.qdrant<{ payload_schema: object }>('GET', `/collections/${GRAPH}`);
    expect(Object.keys(payload_schema).sort()).toEqual(['tag_prefixes', 'tags']);
  });

  it('several at once', async () => {
    await lab.upsert([{ id: NEW, payload: payloadOf('an orphan') }], 16);
    await lab.removePoints([some]);
    await lab.query('MATCH ()-[r]->() DELETE r');
    const run = await fix();
    expect(rounds(run)).toEqual(['pass fail fail fail pass', ALL_PASS]);
    expect(run.exitCode).toBe(0);
    expect(await lab.differences(before)).toEqual([
      expect.stringContaining(
        `"extra":1,"changed":0},"relationships":{"before":${before.relationships},"after":${before.relationships},`,
      ),
      `node-extra :Memory "${NEW}"`,
    ]);
  });
});

describe('what cannot be mended', () => {
  it('is left to a person: without the flag nothing is changed, and the fix is named', async () => {
    await lab.removePoints([some]);
    const run = await lab.run(['validate', '--json']);
    expect(rounds(run)).toHaveLength(1);
    expect(run.summary).toMatchObject({ exitCode: 3, files: {} });
    expect(await lab.leftovers()).toEqual([]);
  });

  it('is not tried over and over: a round that changed nothing is the last', async () => {
    await lab.query('MATCH ()-[r]->() DELETE r');
    const run = await fix({ env: { AUTOMEM_BACKUP_DIR: '/nonexistent' } });
    expect(rounds(run)).toEqual(['pass pass fail pass pass', 'pass pass fail pass pass']);
    expect(run.summary).toMatchObject({ outcome: 'validation-failed', exitCode: 3 });
    expect(run.summary.losses).toEqual([expect.stringContaining('no backup to take relationships from')]);
  });

  it('has three rounds at most, where each validation finds something else', async () => {
    await orphan(0);
    const added: Promise<unknown>[] = [];
    const run = await fix({
      onEvent: (event) => {
        // Each time that the stores were brought together, another point turns up whose memory is gone.
        if (event.type === 'step.finished' && event.step === 'settle-drift')
          added.push(orphan(added.length + 1));
      },
    });
    await Promise.all(added);
    expect(mends(run)).toEqual([['sync-drift'], ['sync-drift'], ['sync-drift']]);
    expect(run.summary).toMatchObject({ outcome: 'validation-failed', exitCode: 3 });
  });

  const orphan = (index: number): Promise<void> =>
    lab.upsert(
      [{ id: `0a000000-0000-4000-8000-0000000001${index}0`, payload: payloadOf(`orphan ${index}`) }],
      16,
    );

  it('is not a whole store: above half, the plan is named instead', async () => {
    await lab.damage('drift-60');
    const run = await fix();
    expect(mends(run)).toEqual([]);
    const second = run.events.flatMap((event) =>
      event.type === 'check' && event.check.step === 2 ? [event.check] : [],
    )[0];
    expect(second?.fix).toContain('lifeboat recover rebuild-graph');
  });
});

describe('after a recovery', () => {
  it('what was mended is compared by content, not by ids alone', async () => {
    await lab.damage('graph-lost');
    const gone: Promise<unknown>[] = [];
    const run = await lab.recover(['--fix'], {
      onEvent: (event) => {
        if (event.type === 'step.finished' && event.step === 'compact-aof')
          gone.push(lab.query('MATCH ()-[r:PRECEDED_BY]->() WITH r LIMIT 1 DELETE r'));
      },
    });
    await Promise.all(gone);
    expect(rounds(run)).toEqual(['pass pass fail pass pass', ALL_PASS]);
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
    expect(run.summary.validation[1]?.expected).toContain('with the same content');
    expect(await lab.differences(before)).toEqual([]);
  });
});

describe('the fifth check', () => {
  it.each([
    [
      'its vector search finds nothing',
      '/points/query',
      '{"points":[]}',
      /0 of 5 found by vector/,
      undefined,
    ],
    ['its filters find nothing', '/points/count', '{"count":0}', /0 of \d by tag/, 'create-indexes'],
  ])('fails where %s', async (_, path, result, actual, mend) => {
    const front = await startFront(path, result);
    try {
      const run = await lab.run(['validate', '--json'], { env: { QDRANT_URL: front.url } });
      const fifth = run.events.flatMap((event) =>
        event.type === 'check' && event.check.step === 5 ? [event.check] : [],
      )[0];
      expect(fifth).toMatchObject({
        status: 'fail',
        fix: expect.stringContaining('restart Qdrant') as string,
      });
      expect(fifth?.actual).toMatch(actual);
      expect(fifth?.mend).toBe(mend);
      expect(run.exitCode).toBe(3);
    } finally {
      await front.stop();
    }
  });
});

/** Qdrant, but for one kind of request, whose result it makes up: of searches and counts for a single memory. */
async function startFront(path: string, result: string): Promise<{ url: string; stop(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const isMadeUp = request.url?.includes(path) === true && /has_id|"limit":10,/.test(body);
      const answer = isMadeUp
        ? Promise.resolve({ status: 200, text: `{"result":${result},"status":"ok","time":0}` })
        : forward(request.method ?? 'GET', request.url ?? '/', body);
      void answer.then(({ status, text }) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(text);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function forward(method: string, url: string, body: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${lab.engines.vectors.url}${url}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === '' ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}
