import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { encodePayload, payloadPatch } from '../../src/memory/encode-payload.js';
import { printPythonJson } from '../../src/memory/json.js';
import type { Value, ValueMap } from '../../src/memory/values.js';
import { compareVectors, readVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { startAutomem, type AutomemService } from '../support/automem-service.js';
import { GRAPH, Lab, TIMESTAMP, type CommandRun, type RunOptions } from '../support/lab.js';
import { startProvider, type TestProvider } from '../support/provider.js';

/** Four calls of the provider, which takes 128 texts. */
const MEMORIES = 420;

let lab: Lab;
let provider: TestProvider;
let store: VectorStore;
let before: VectorSnapshot;
let pointsBefore: Map<string, Point>;

beforeAll(async () => {
  lab = await Lab.start();
  provider = await startProvider();
  store = new VectorStore({ url: lab.engines.vectors.url, timeoutMs: 20_000 });
  await lab.fill({ memories: MEMORIES });
  await lab.keep();
  before = await readVectors(lab.stores.vectors);
  pointsBefore = await points();
}, 60_000);

afterAll(async () => {
  store.close();
  await before.close();
  await provider.stop();
  await lab.stop();
});

beforeEach(async () => {
  if ((await lab.qdrant<{ exists: boolean }>('GET', `/collections/${GRAPH}/exists`)).exists)
    await lab.qdrant('DELETE', `/collections/${GRAPH}`);
  await makeCollection();
  await lab.reset();
});

afterEach(() => provider.reset());

async function makeCollection(config: object = { vectors: { size: 8, distance: 'Cosine' } }): Promise<void> {
  await lab.qdrant('PUT', `/collections/${GRAPH}`, config);
  for (const field_name of ['tags', 'tag_prefixes'])
    await lab.qdrant('PUT', `/collections/${GRAPH}/index?wait=true`, { field_name, field_schema: 'keyword' });
}

function reembed(args: string[] = [], options: RunOptions = {}): Promise<CommandRun> {
  const env = { ...provider.env, ...options.env };
  return lab.recover(['reembed-vectors', ...args], { ...options, env });
}

function resume(run: CommandRun): Promise<CommandRun> {
  return lab.run(['runs', 'resume', run.summary.run, '--json', '--confirm', GRAPH], { env: provider.env });
}

/** The line in which a step says what it did. */
function told(run: CommandRun, step: string): string {
  const event = run.events.find((one) => one.type === 'step.finished' && one.step === step);
  return event?.type === 'step.finished' ? event.detail : '';
}

function notices(run: CommandRun): string {
  return run.events.flatMap((event) => (event.type === 'notice' ? [event.message] : [])).join('\n');
}

interface Point {
  id: string | number;
  payload: ValueMap;
  vector: unknown;
}

async function points(): Promise<Map<string, Point>> {
  const vectors = new Map((JSON.parse(await lab.points()) as Point[]).map(({ id, vector }) => [id, vector]));
  const found = new Map<string, Point>();
  // With numbers as they are written: 1.0 must not become 1.
  for await (const page of store.scroll(GRAPH, { payload: true, numbers: 'exact' }))
    for (const { id, payload } of page)
      found.set(String(id), {
        id: id as string,
        payload: payload as ValueMap,
        vector: vectors.get(id as string),
      });
  return found;
}

/** Nodes that should have a vector, by id. */
async function memories(): Promise<Map<string, ValueMap>> {
  const { nodes } = await lab.contents();
  return new Map(
    nodes.flatMap(({ labels, properties }) =>
      labels.includes('Memory') && properties['type'] !== 'MetaPattern' && isText(properties['content'])
        ? [[properties['id'] as string, properties] as const]
        : [],
    ),
  );
}

function isText(content: Value | undefined): boolean {
  return typeof content === 'string' && content.trim() !== '';
}

/** Every memory has its point, and the payload of each says what the graph says. @param full to the last field; only of these */
async function expectPayloads(full: boolean, only?: readonly string[]): Promise<void> {
  const found = await points();
  const wanted = await memories();
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [id, properties] of wanted) {
    if (only?.includes(id) === false) continue;
    const payload = found.get(id)?.payload as Value;
    if (full) expect(canonical(payload)).toEqual(canonical(encodePayload(properties)));
    else expect(payloadPatch(payload, properties)).toBeNull();
  }
}

function canonical(value: Value): unknown {
  // Qdrant makes 0 of -0.
  return JSON.parse(printPythonJson(value).replaceAll(/-0(?:\.0)?(?=[,\]}])/g, '0.0')) as unknown;
}

/** Every point with the vector that it had, and every setting of the collection. */
async function expectVectors(): Promise<void> {
  const now = await readVectors(lab.stores.vectors);
  const found = await compareVectors(before, now);
  await now.close();
  expect(found.settings).toEqual([]);
  expect({ ...found.points, payloadChanged: 0 }).toEqual({
    before: before.points.size,
    after: before.points.size,
    missing: 0,
    extra: 0,
    payloadChanged: 0,
    payloadCompleted: expect.any(Number) as number,
    vectorChanged: 0,
  });
}

/** What Qdrant keeps of the vector of a text: 32 bits a number, of unit length. */
function near(text: string): unknown {
  return deterministicVector(text, 8).map((number) => expect.closeTo(number, 5) as unknown);
}

/** Texts that were paid for, without the samples of the guard. */
function paid(): string[] {
  return provider.answered.filter((texts) => texts.length > 8).flat();
}

describe('vectors from the newest backup', () => {
  it.each(['vectors-lost', 'vectors-empty'])('all come back after %s', async (damage) => {
    await lab.damage(damage);
    const run = await reembed();
    expect(run.summary.failure ?? null).toBeNull();
    expect([run.exitCode, provider.answered]).toEqual([0, []]);
    await expectVectors();
    await expectPayloads(false);
    // A payload that said what the graph says comes back as it was, to the letter.
    const found = await points();
    const nodes = await memories();
    const untouched = [...pointsBefore].filter(
      ([id, { payload }]) => payloadPatch(payload, nodes.get(id) ?? {}) === null,
    );
    expect(untouched.length).toBeGreaterThan(MEMORIES / 4);
    for (const [id, point] of untouched) expect(found.get(id)).toEqual(point);
    expect(told(run, 'vectors-from-backup')).toContain(`${before.points.size} of ${before.points.size}`);
  });

  it('only what is missing, and what changed since then is embedded', async () => {
    const ids = [...pointsBefore.keys()];
    const changed = ids.slice(0, 20);
    for (const id of changed)
      await lab.query(`MATCH (m:Memory {id: '${id}'}) SET m.content = 'new text of ${id}'`);
    await lab.removePoints(ids.slice(10, 200));
    const run = await reembed();
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect(told(run, 'plan-embedding')).toContain('180 vectors come from the backup, 20 are embedded by');
    expect(paid().sort()).toEqual(changed.map((id) => `new text of ${id}`).sort());
    expect(run.summary.embedded).toMatchObject({ vectors: 20 });
    await expectPayloads(false, ids.slice(0, 200));
    const found = await points();
    for (const id of changed) expect(found.get(id)?.vector).toEqual(near(`new text of ${id}`));
    for (const id of ids.slice(20)) expect(found.get(id)?.vector).toEqual(pointsBefore.get(id)?.vector);
  });

  it('those of another model than the surviving ones are not used', async () => {
    const ids = [...pointsBefore.keys()];
    provider.options.model = 'newer';
    await reembed(['--new-space']);
    const space = await points();
    await lab.removePoints(ids.slice(0, 150));
    const run = await reembed();
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect(notices(run)).toContain('of another model than those that survive');
    expect((await points()).get(ids[0] ?? '')?.vector).toEqual(space.get(ids[0] ?? '')?.vector);
  });
});

describe('embedding', () => {
  it('everything, where there is no backup', async () => {
    await lab.damage('vectors-lost');
    const run = await reembed(['--backup', 'none']);
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect(told(run, 'plan-embedding')).toMatch(
      /0 vectors come from the backup, \d+ are embedded by .*: about \d+ tokens, \d+ s/,
    );
    expect(told(run, 'embed-missing')).toMatch(/ tokens$/);
    const texts = paid();
    expect(texts.length).toBe(before.points.size);
    await expectVectors();
    await expectPayloads(true);
  });

  it('says in a dry run what it would cost, and writes nothing', async () => {
    await lab.damage('vectors-empty');
    const run = await reembed(['--dry-run', '--backup', 'none']);
    expect(run.exitCode).toBe(0);
    expect(told(run, 'plan-embedding')).toMatch(
      /are embedded by openai-compatible .*: about \d+ tokens, \d+ s/,
    );
    expect([paid(), await lab.points()]).toEqual([[], '[]']);
  });

  it('keeps fields of a point that AutoMem does not know', async () => {
    const [id = ''] = pointsBefore.keys();
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload?wait=true`, {
      payload: { mine: { a: 1 } },
      points: [id],
    });
    await lab.query(`MATCH (m:Memory {id: '${id}'}) SET m.content = 'other'`);
    const run = await reembed();
    expect(run.exitCode).toBe(0);
    const point = (await points()).get(id);
    expect(canonical(point?.payload['mine'] ?? null)).toEqual({ a: 1 });
    expect(point?.vector).toEqual(near('other'));
  });

  it('also of memories that were stored a moment ago', async () => {
    await lab.damage('vectors-empty');
    const now = new Date().toISOString();
    const id = '0b000000-0000-4000-8000-000000000001';
    await lab.query(
      `CREATE (:Memory {id: '${id}', content: 'just now', type: 'Insight', timestamp: '${now}', updated_at: '${now}', tags: ['a:b'], archived: true})`,
    );
    const run = await reembed();
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    const { payload, vector } = (await points()).get(id) as Point;
    expect(vector).toEqual(near('just now'));
    expect(payload).toMatchObject({ tag_prefixes: ['a', 'a:b'], archived: true });
  });

  it('puts aside what can never be a point, or is not taken, and pays for it once', async () => {
    await lab.damage('vectors-lost');
    await lab.query(
      `CREATE (:Memory {id: 'mine', content: 'no uuid', timestamp: '2025-01-01T00:00:00+00:00', type: 'Insight'})`,
    );
    provider.fault = (texts) =>
      texts.some((text) => text === 'poison') ? { status: 400, message: 'this text is not allowed' } : null;
    const id = '0b000000-0000-4000-8000-000000000002';
    await lab.query(
      `CREATE (:Memory {id: '${id}', content: 'poison', timestamp: '2025-01-01T00:00:00+00:00', type: 'Insight'})`,
    );
    const run = await reembed();
    expect(run.exitCode).toBe(3);
    const aside = run.records('quarantine').map((entry) => [entry['id'], entry['reason']]);
    expect(aside).toEqual([
      ['mine', expect.stringMatching(/neither a UUID nor a whole number/)],
      [id, expect.stringMatching(/could not be embedded: .*not allowed/)],
    ]);
    expect((await points()).size).toBe(before.points.size);
  });
});

describe('a service that goes on writing', () => {
  it('is not overwritten, and what it deletes does not come back', async () => {
    await lab.damage('vectors-empty');
    const [gone = '', changed = ''] = pointsBefore.keys();
    provider.options.delayMs = 400;
    let isFirst = true;
    provider.fault = (texts) => {
      if (texts.length <= 8 || !isFirst) return null;
      isFirst = false;
      void lab.query(`MATCH (m:Memory {id: '${gone}'}) DETACH DELETE m`);
      void lab.query(`MATCH (m:Memory {id: '${changed}'}) SET m.content = 'changed meanwhile'`);
      return null;
    };
    const run = await reembed(['--backup', 'none']);
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    const found = await points();
    expect(found.has(gone)).toBe(false);
    expect(found.get(changed)?.vector).toEqual(near('changed meanwhile'));
    await expectPayloads(true);
  });

  it('loses the point of a memory that it deleted when its vector was written', async () => {
    await lab.damage('vectors-empty');
    const [gone = ''] = pointsBefore.keys();
    const run = await reembed([], {
      onEvent: (event) => {
        if (event.type === 'step.finished' && event.step === 'embed-missing')
          void lab.query(`MATCH (m:Memory {id: '${gone}'}) DETACH DELETE m`);
      },
    });
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect((await points()).has(gone)).toBe(false);
    expect(told(run, 'settle-drift')).toContain('1 points removed again');
  });

  it('has the collection kept before the first write, also where there was nothing to do at first', async () => {
    const [changed = ''] = pointsBefore.keys();
    const run = await reembed([], {
      onEvent: (event) => {
        if (event.type === 'step.finished' && event.step === 'embed-missing')
          void lab.query(`MATCH (m:Memory {id: '${changed}'}) SET m.content = 'changed meanwhile'`);
      },
    });
    expect(run.exitCode).toBe(0);
    expect(told(run, 'safeguard-vectors')).toBe('nothing will be changed');
    expect(told(run, 'settle-drift')).toMatch(
      /^a snapshot of the collection is kept .*1 of 1 memories embedded/,
    );
  });
});

describe('a provider that does not do its work', () => {
  it.each([
    ['refuses the key', { status: 401 }, 2, 'provider-credentials'],
    ['sends too few vectors', 'short', 1, 'provider-answer'],
    ['does not say whose vector it is', 'no-index', 1, 'provider-answer'],
    ['sends NaN', 'nan', 1, 'provider-answer'],
  ] as const)('changes nothing when it %s', async (_, fault, exitCode, code) => {
    await lab.damage('vectors-lost');
    // Of a single text no number is needed; the samples of the backup are several.
    const args = fault === 'no-index' ? [] : ['--backup', 'none'];
    await lab.query(
      `MATCH (m:Memory) WHERE m.content STARTS WITH 'D' SET m.content = m.content + ' changed'`,
    );
    provider.fault = () => fault;
    const run = await reembed(args, { env: { VECTOR_SIZE: '8' } });
    expect([run.exitCode, run.summary.failure?.code]).toEqual([exitCode, code]);
    expect(await lab.qdrant('GET', `/collections/${GRAPH}/exists`)).toEqual({ exists: false });
  });

  it('changes nothing when it is down, or none is set up', async () => {
    await lab.damage('vectors-empty');
    const stopped = await startProvider();
    await stopped.stop();
    const down = await reembed(['--backup', 'none'], { env: stopped.env });
    expect([down.exitCode, down.summary.failure?.code]).toEqual([10, 'provider-unavailable']);
    const none = await reembed(['--backup', 'none'], { env: { OPENAI_API_KEY: undefined } });
    expect([none.exitCode, none.summary.failure?.code]).toEqual([2, 'provider-missing']);
    expect(await lab.points()).toBe('[]');
  });

  it('is waited for while it is busy, and asked again where the connection broke', async () => {
    await lab.damage('vectors-lost');
    provider.fault = (_, call) =>
      call === 2 ? { status: 429, headers: { 'retry-after': '1' } } : call === 4 ? 'cut' : null;
    const run = await reembed(['--backup', 'none']);
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect(notices(run)).toContain('asks to wait 1 s');
    await expectVectors();
  });

  it('is refused where it would mix vector spaces', async () => {
    await lab.removePoints([...pointsBefore.keys()].slice(0, 30));
    const rest = await lab.points();
    provider.options.model = 'other';
    const run = await reembed(['--backup', 'none']);
    expect([run.exitCode, run.summary.failure?.code]).toEqual([2, 'other-vector-space']);
    expect(run.summary.failure?.hint).toContain('--new-space');
    provider.options.size = 4;
    expect((await reembed(['--backup', 'none'])).summary.failure?.code).toBe('other-vector-space');
    expect(await lab.points()).toBe(rest);
  });

  it('is held against the vectors of the backup where none survives', async () => {
    await lab.damage('vectors-lost');
    await lab.query(
      `MATCH (m:Memory) WHERE m.content STARTS WITH 'D' SET m.content = m.content + ' changed'`,
    );
    provider.options.model = 'other';
    const run = await reembed();
    expect([run.exitCode, run.summary.failure?.code]).toEqual([2, 'other-vector-space']);
    expect(await lab.qdrant('GET', `/collections/${GRAPH}/exists`)).toEqual({ exists: false });
  });
});

describe('a run that was stopped after the third batch', () => {
  const thirdAnswered = (): boolean => provider.answered.filter((texts) => texts.length > 8).length >= 3;

  it.each([
    ['what was lost', [], 'vectors-lost'],
    ['everything anew', ['--new-space'], null],
  ] as const)('goes on and pays for nothing twice: %s', async (_, args, damage) => {
    if (damage !== null) await lab.damage(damage);
    const model = damage === null ? 'newer' : provider.options.model;
    provider.options.model = model;
    provider.fault = (texts) => (texts.length > 8 && thirdAnswered() ? { status: 401 } : null);
    const stopped = await reembed([...args, '--backup', 'none']);
    expect(stopped.summary.failure?.code).toBe('provider-credentials');
    expect(paid().length).toBe(3 * 128);
    provider.fault = () => null;
    const run = await resume(stopped);
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect([paid().length, new Set(paid()).size]).toEqual([before.points.size, uniqueTexts()]);
    expect(run.summary.embedded).toMatchObject({ vectors: before.points.size });
    if (damage !== null) await expectVectors();
    await expectPayloads(damage !== null);
  });

  function uniqueTexts(): number {
    return new Set([...pointsBefore.values()].map(({ payload }) => payload['content'])).size;
  }
});

describe('a new space', () => {
  it('also gets what changed after its turn', async () => {
    const [changed = ''] = pointsBefore.keys();
    const run = await reembed(['--new-space'], {
      onEvent: (event) => {
        if (event.type === 'step.finished' && event.step === 'embed-missing')
          void lab.query(`MATCH (m:Memory {id: '${changed}'}) SET m.content = 'changed meanwhile'`);
      },
    });
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect((await points()).get(changed)?.vector).toEqual(near('changed meanwhile'));
  });

  it('is never forced into a collection of another size; one beside it leaves a way back', async () => {
    const rest = await lab.points();
    provider.options = { ...provider.options, model: 'newer', size: 4 };
    const refused = await reembed(['--new-space']);
    expect([refused.exitCode, refused.summary.failure?.code]).toEqual([2, 'provider-size']);
    expect(refused.summary.failure?.hint).toContain(`QDRANT_COLLECTION=${GRAPH}_new`);
    const run = await reembed(['--new-space'], { env: { QDRANT_COLLECTION: `${GRAPH}_new` } });
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect((await store.collection(`${GRAPH}_new`))?.size).toBe(4);
    expect(await store.count(`${GRAPH}_new`)).toBe(before.points.size);
    await lab.qdrant('DELETE', `/collections/${GRAPH}_new`);
    expect(await lab.points()).toBe(rest);
  });
});

describe('with --via-api', () => {
  let automem: AutomemService;
  const viaApi = (options: RunOptions = {}): Promise<CommandRun> =>
    reembed(['--via-api', '--backup', 'none'], { ...options, env: { ...automem.env, ...options.env } });

  beforeEach(async () => {
    automem = await startAutomem(lab);
  });

  afterEach(() => automem.stop());

  it('AutoMem embeds what is missing, and payloads are completed', async () => {
    await lab.damage('vectors-lost');
    const run = await viaApi();
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect([automem.calls, provider.answered]).toEqual([['POST /admin/reembed'], []]);
    await expectVectors();
    await expectPayloads(false);
    expect([...(await points()).values()].some(({ payload }) => payload['archived'] === true)).toBe(true);
  });

  it('payloads are completed also by a run that goes on after the answer was lost', async () => {
    await lab.removePoints([...pointsBefore.keys()].slice(0, 100));
    automem.breaksNext = true;
    const stopped = await viaApi();
    expect(stopped.summary.failure?.code).toBe('api-connection-lost');
    const run = await lab.run(['runs', 'resume', stopped.summary.run, '--json', '--confirm', GRAPH], {
      env: automem.env,
    });
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect(automem.calls).toEqual(['POST /admin/sync dry', 'POST /admin/sync']);
    await expectPayloads(false);
  });

  it('tells what AutoMem did not see', async () => {
    await lab.removePoints([...pointsBefore.keys()].slice(0, 100));
    automem.cap = 50;
    const run = await viaApi();
    expect(run.exitCode).toBe(3);
    expect(run.summary.losses).toEqual([
      expect.stringMatching(/^\d+ memories have no vector of their content/),
    ]);
  });

  it('changes nothing with a wrong token', async () => {
    await lab.removePoints([...pointsBefore.keys()].slice(0, 100));
    const rest = await lab.points();
    const run = await viaApi({ env: { ADMIN_API_TOKEN: 'wrong' } });
    expect([run.exitCode, run.summary.failure?.code]).toEqual([2, 'api-admin-token-wrong']);
    expect(await lab.points()).toBe(rest);
  });
});

describe('a collection of another shape', () => {
  /** The collection anew, with these points of before. */
  async function fillWith(config: object, ids: readonly string[], more: object = {}): Promise<void> {
    await lab.qdrant('DELETE', `/collections/${GRAPH}`);
    await makeCollection(config);
    const list = ids.map((id) => {
      const { payload, vector } = pointsBefore.get(id) as Point;
      return `{"id":"${id}","vector":${JSON.stringify({ '': vector, ...more })},"payload":${printPythonJson(payload)}}`;
    });
    if (list.length > 0)
      await lab.qdrant('PUT', `/collections/${GRAPH}/points?wait=true`, `{"points":[${list.join(',')}]}`);
  }

  const configNow = (): Promise<{ config: object }> => lab.qdrant('GET', `/collections/${GRAPH}`);

  it.each([
    ['Dot', { vectors: { size: 8, distance: 'Dot' } }],
    ['Euclid', { vectors: { size: 8, distance: 'Euclid', on_disk: true } }],
    [
      'quantization, shards and replicas',
      {
        vectors: { size: 8, distance: 'Cosine' },
        quantization_config: { scalar: { type: 'int8' } },
        shard_number: 3,
        replication_factor: 2,
      },
    ],
  ])('stays as it is: %s', async (_, config) => {
    await fillWith(config, [...pointsBefore.keys()].slice(100));
    const { config: was } = await configNow();
    const run = await reembed();
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect((await configNow()).config).toEqual(was);
    expect(await store.count(GRAPH)).toBe(before.points.size);
  });

  it('is made again as the manifest of the backup describes it', async () => {
    const config = {
      vectors: { size: 8, distance: 'Dot', hnsw_config: { m: 32 } },
      sparse_vectors: { words: {} },
      on_disk_payload: true,
    };
    await fillWith(config, []);
    const was = await configNow();
    await writeFile(
      join(lab.backups, `lifeboat_${TIMESTAMP}.manifest.json`),
      JSON.stringify({
        files: {},
        collection: { config: was.config, payload_schema: { kind: { data_type: 'keyword' } } },
      }),
    );
    await lab.damage('vectors-lost');
    const run = await reembed();
    expect([run.summary.failure ?? null, run.exitCode]).toEqual([null, 0]);
    expect((await configNow()).config).toEqual(was.config);
    expect((await store.collection(GRAPH))?.payloadIndexes).toEqual({
      kind: 'keyword',
      tags: 'keyword',
      tag_prefixes: 'keyword',
    });
  });

  it.each([
    [
      'a sparse vector',
      { vectors: { size: 8, distance: 'Cosine' }, sparse_vectors: { words: {} } },
      { words: { indices: [7], values: [0.5] } },
    ],
    [
      'a named vector',
      { vectors: { '': { size: 8, distance: 'Cosine' }, picture: { size: 2, distance: 'Dot' } } },
      { picture: [1, 2] },
    ],
  ])('keeps %s beside the one that is embedded', async (_, config, more) => {
    const ids = [...pointsBefore.keys()];
    await fillWith(config, ids.slice(50), more);
    const changed = ids[60] ?? '';
    await lab.query(`MATCH (m:Memory {id: '${changed}'}) SET m.content = 'another text'`);
    const run = await reembed();
    expect(run.summary.failure ?? null).toBeNull();
    const found = await points();
    expect(found.size).toBe(before.points.size);
    expect(found.get(changed)?.vector).toMatchObject({ '': near('another text'), ...more });
    expect(canonical(found.get(changed)?.payload ?? null)).toMatchObject({ content: 'another text' });
  });

  it('is refused where all vectors have names', async () => {
    await lab.qdrant('DELETE', `/collections/${GRAPH}`);
    await makeCollection({ vectors: { text: { size: 8, distance: 'Cosine' } } });
    const run = await reembed();
    expect([run.exitCode, run.summary.failure?.code]).toEqual([2, 'no-unnamed-vector']);
    expect(await lab.points()).toBe('[]');
  });
});

it('tells once what a repair could not embed, and repairs the rest', async () => {
  const ids = [...pointsBefore.keys()];
  await lab.removePoints(ids.slice(0, 40));
  await lab.query(`MATCH (m:Memory {id: '${ids[50] ?? ''}'}) SET m.importance = 0.123`);
  const run = await lab.recover(['sync-drift', '--backup', 'none']);
  expect(run.exitCode).toBe(3);
  expect(run.summary.losses).toEqual([expect.stringMatching(/^40 memories have no vector of their content/)]);
  expect(canonical((await points()).get(ids[50] ?? '')?.payload ?? null)).toMatchObject({
    importance: 0.123,
  });
});
