import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { owedKey } from '../../src/steps/repair/owed.js';
import { GRAPH, Lab, payloadOf, type CommandRun, type RunOptions } from '../support/lab.js';
import { startProvider, type TestProvider } from '../support/provider.js';
import { startProxy, type Proxy } from '../support/proxy.js';

const NEW = '0a000000-0000-4000-8000-000000000001';
const OTHER_NEW = '0a000000-0000-4000-8000-000000000002';
const OWED = owedKey(GRAPH);

let lab: Lab;
let provider: TestProvider;
let before: GraphSnapshot;
let pointsBefore: string;
/** Ordinary memories with points; the first three are joined by parallel relationships, as the backup has them. */
let ids: string[];
let proxies: Proxy[] = [];

beforeAll(async () => {
  lab = await Lab.start();
  provider = await startProvider();
  await lab.fill({ memories: 240 });
  const rows = await lab.query(
    'MATCH (m:Memory)-[:SIMILAR_TO]->() WHERE size(m.content) > 30 AND size(m.tags) > 0 RETURN DISTINCT m.id ORDER BY m.id',
  );
  const points = await lab.points();
  ids = rows.map(([id]) => String(id)).filter((id) => points.includes(id));
  await joinInParallel(id(0), id(1), id(2));
  await lab.keep();
  before = await lab.snapshot();
  pointsBefore = await lab.points();
});

afterAll(async () => {
  await before.close();
  await provider.stop();
  await lab.stop();
});

beforeEach(async () => {
  provider.reset();
  for (const proxy of proxies) await proxy.stop();
  proxies = [];
  await lab.reset();
});

const id = (index: number): string => ids[index] ?? '';

/** In graph and backup alike: two of one type and ends, with other properties and with the same. */
async function joinInParallel(a: string, b: string, c: string): Promise<void> {
  const made = [
    [a, b, 0.25],
    [a, b, 0.75],
    [a, b, 0.75],
    [b, a, 0.1],
    [a, c, 0.1234567890123456],
    [a, a, 0.5],
  ] as const;
  for (const [from, to, strength] of made) {
    await lab.query(
      `MATCH (a:Memory {id: '${from}'}), (b:Memory {id: '${to}'}) CREATE (a)-[:RELATES_TO {strength: ${strength}}]->(b)`,
    );
  }
  lab.editBackup(({ nodes, relationships }) => {
    const at = (memory: string): number =>
      nodes.find(({ properties }) => properties['id'] === memory)?.id ?? -1;
    for (const [from, to, strength] of made)
      relationships.push({
        source_id: at(from),
        type: 'RELATES_TO',
        target_id: at(to),
        properties: { strength },
      });
  });
}

const repair = (args: string[] = [], options: RunOptions = {}): Promise<CommandRun> =>
  lab.run(['repair', '--json', ...args], { ...options, env: { ...provider.env, ...options.env } });

const removeMemories = (...memories: string[]): Promise<unknown> =>
  lab.query(`MATCH (m:Memory) WHERE m.id IN ['${memories.join("', '")}'] DETACH DELETE m`);

/** A connection in between, and the settings that lead through it. */
async function graphThroughProxy(): Promise<{ proxy: Proxy; env: Record<string, string> }> {
  const proxy = await startProxy(lab.engines.graph);
  proxies.push(proxy);
  return { proxy, env: { FALKORDB_HOST: proxy.host, FALKORDB_PORT: String(proxy.port) } };
}

/** Everything that a repair could have changed or left behind, in one digest. */
async function everything(): Promise<string> {
  const { nodes, relationships } = await lab.contents();
  const snapshots = await lab.qdrant('GET', `/collections/${GRAPH}/snapshots`);
  const parts = [nodes, relationships, await lab.points(), await lab.leftovers(), snapshots];
  const text = JSON.stringify(parts, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
  return createHash('sha256').update(text).digest('hex');
}

const detailOf = (run: CommandRun, step: string): string =>
  run.events.flatMap((event) =>
    event.type === 'step.finished' && event.step === step ? [event.detail] : [],
  )[0] ?? '';

const noticesOf = (run: CommandRun): string =>
  run.events.flatMap((event) => (event.type === 'notice' ? [event.message] : [])).join('\n');

async function expectAsBefore(): Promise<void> {
  expect(await lab.differences(before)).toEqual([]);
  const [now, then] = [parsed(await lab.points()), parsed(pointsBefore)];
  expect([...now.keys()]).toEqual([...then.keys()]);
  for (const [memory, { vector, payload }] of then) {
    const fields = Object.fromEntries(Object.entries(payload).filter(([field]) => field !== 'last_accessed'));
    // A payload that was written anew may say more of what the graph says than the one before, and nothing else.
    expect(now.get(memory)).toMatchObject({ vector, payload: fields });
    const more = Object.keys(now.get(memory)?.payload ?? {}).filter(
      (field) => !Object.hasOwn(payload, field),
    );
    expect(MORE).toEqual(expect.arrayContaining(more));
  }
}

const MORE = ['last_accessed', 'tag_prefixes', 'relevance_score', 'archived', 't_valid', 't_invalid'];

type Point = { id: string; vector: number[]; payload: Record<string, unknown> };

function parsed(points: string): Map<string, Point> {
  return new Map((JSON.parse(points) as Point[]).map((point) => [point.id, point]));
}

function expectRepaired(run: CommandRun): void {
  expect(run.summary).toMatchObject({
    outcome: 'recovered',
    exitCode: 0,
    quarantined: 0,
    losses: [],
    drift: { after: 0 },
  });
  expect(run.summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
}

describe('two stores that drifted apart', () => {
  it.each(['drift-3', 'drift-20', 'equal-count-drift'])(
    'are as before, to the last relationship and point, and a second run changes nothing: %s',
    async (scenario) => {
      await lab.damage(scenario);
      const run = await repair(['--always']);
      expectRepaired(run);
      expect(run.summary.drift?.before).toBeGreaterThan(1);
      await expectAsBefore();
      expect(await lab.leftovers()).toEqual([`{${GRAPH}}:before:${run.summary.run}`]);
      expect(provider.answered).toEqual([]);

      const digest = await everything();
      const second = await repair(['--always']);
      expect(second.summary).toMatchObject({
        outcome: 'nothing-to-do',
        exitCode: 0,
        kept: [],
        drift: { before: 0 },
      });
      expect(await everything()).toBe(digest);
    },
  );

  it('can be put back as they were', async () => {
    await lab.damage('drift-20');
    const damaged = await lab.snapshot();
    const points = await lab.points();
    const run = await repair();
    expectRepaired(run);
    const undone = await lab.run(['runs', 'rollback', run.summary.run, '--confirm', GRAPH]);
    expect(undone.exitCode).toBe(0);
    expect(await lab.differences(damaged)).toEqual([]);
    expect(await lab.points()).toBe(points);
    await damaged.close();
  });

  it('get relationships back between memories that came back, and to those that stayed, parallel ones too', async () => {
    await removeMemories(id(0), id(2));
    const run = await repair(['--always']);
    expectRepaired(run);
    await expectAsBefore();
    expect(
      await lab.value(`MATCH ({id: '${id(0)}'})-[r:RELATES_TO]->({id: '${id(1)}'}) RETURN count(r)`),
    ).toBe(3);
  });

  it('embed what no backup has a vector of, and nothing else', async () => {
    await lab.query(
      `CREATE (:Memory {id: '${NEW}', content: 'made since the backup', type: 'Insight', tags: ['lab'], importance: 0.5, confidence: 0.5, metadata: '{}', timestamp: '2026-11-02T10:00:00+00:00', updated_at: '2026-11-02T10:00:00+00:00'})`,
    );
    await lab.removePoints([id(3)]);
    const run = await repair(['--always']);
    expectRepaired(run);
    expect(provider.answered.flat().filter((text) => text === 'made since the backup')).toHaveLength(1);
    expect(run.summary.embedded).toMatchObject({ vectors: 1 });
    expect(await lab.differences(before)).toHaveLength(2);
    const second = await repair(['--always']);
    expect(second.summary.outcome).toBe('nothing-to-do');
  });
});

describe('payloads', () => {
  it('say what the graph says, and keep what AutoMem does not know', async () => {
    await lab.query(`MATCH (m:Memory {id: '${id(4)}'}) SET m.importance = 0.111, m.type = 'Style'`);
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload?wait=true`, {
      points: [id(4)],
      payload: { own_field: 'kept' },
    });
    const changed = await lab.snapshot();
    expectRepaired(await repair(['--always']));
    expect(await lab.differences(changed)).toEqual([]);
    expect(await payload(id(4))).toMatchObject({ importance: 0.111, type: 'Style', own_field: 'kept' });
    await changed.close();
  });

  it('decide where the graph is damaged, so that no damage reaches both stores', async () => {
    await lab.query(`MATCH (m:Memory {id: '${id(4)}'}) SET m.type = 'NoneType', m.importance = 0.111`);
    await lab.query(`MATCH (m:Memory {id: '${id(5)}'}) SET m.content = '', m.metadata = 'gone'`);
    const run = await repair(['--always']);
    expectRepaired(run);
    expect(noticesOf(run)).toMatch(
      /In 2 memories a field of the graph was damaged and the payload's was not/,
    );
    expect(run.records('salvage').map(({ id: memory, field }) => [memory, field])).toEqual(
      expect.arrayContaining([
        [id(4), 'type'],
        [id(5), 'content'],
        [id(5), 'metadata'],
      ]),
    );
    // What is whole in the graph still decides.
    expect(await payload(id(4))).toMatchObject({ importance: 0.111 });
    await lab.query(
      `MATCH (m:Memory {id: '${id(4)}'}) SET m.importance = ${String((await payloadBefore(id(4)))['importance'])}`,
    );
    expect((await lab.differences(before)).join('\n')).not.toMatch(/type|content/);
    expect(provider.answered).toEqual([]);
  });

  it('mend the wrong types that an old recovery left', async () => {
    await lab.damage('wrong-types');
    const damaged = await everything();
    const refused = await repair();
    expect(refused.summary).toMatchObject({
      outcome: 'failed',
      exitCode: 3,
      failure: { code: 'drift-too-large' },
    });
    expect(refused.summary.failure?.hint).toContain('lifeboat repair --max-drift 100');
    expect(await everything()).toBe(damaged);
    expectRepaired(await repair(['--max-drift', '100']));
    await expectAsBefore();
  });

  async function payload(memory: string): Promise<Record<string, unknown>> {
    const [point] = await lab.qdrant<{ payload: Record<string, unknown> }[]>(
      'POST',
      `/collections/${GRAPH}/points`,
      { ids: [memory], with_payload: true },
    );
    return point?.payload ?? {};
  }

  async function payloadBefore(memory: string): Promise<Record<string, unknown>> {
    return Promise.resolve(parsed(pointsBefore).get(memory)?.payload ?? {});
  }
});

describe('a service at work', () => {
  it('does not get a memory twice that it made, nor one back that it deleted, meanwhile', async () => {
    await removeMemories(id(0), id(1), id(2));
    const { proxy, env } = await graphThroughProxy();
    // The stores were compared; the graph is about to be copied. The first was the question whether that is allowed.
    const beforeCopy = async (): Promise<void> => {
      const now = new Date().toISOString();
      await lab.query(
        `CREATE (:Memory {id: '${id(0)}', content: 'made by the service', timestamp: '${now}'})`,
      );
      await lab.removePoints([id(1)]);
    };
    proxy.when(/GRAPH\.COPY/, beforeCopy, 1);
    const run = await repair(['--always'], { env });
    // Its node had next to no fields, which is no reason to differ in the end.
    expect(run.summary).toMatchObject({ outcome: 'recovered', drift: { after: 0 } });
    expect(await lab.query(`MATCH (m:Memory {id: '${id(0)}'}) RETURN m.content`)).toEqual([
      ['made by the service'],
    ]);
    expect(await lab.value(`MATCH (m:Memory {id: '${id(1)}'}) RETURN count(m)`)).toBe(0);
    expect(await lab.value(`MATCH (m:Memory {id: '${id(2)}'}) RETURN count(m)`)).toBe(1);
  });

  it('keeps points whose memory appeared before they were deleted', async () => {
    await removeMemories(id(0), id(1));
    const { proxy, env } = await graphThroughProxy();
    proxy.when(/m\.id IN \$ids/, () => lab.query(`CREATE (:Memory {id: '${id(0)}', content: 'back'})`));
    await repair(['--always', '--orphans', 'delete', '--confirm', GRAPH], { env });
    const points = parsed(await lab.points());
    expect([points.has(id(0)), points.has(id(1))]).toEqual([true, false]);
  });

  it('is left in peace with memories that it may not be done with', async () => {
    const now = new Date().toISOString();
    await lab.query(
      `CREATE (:Memory {id: '${NEW}', content: 'just stored', type: 'Insight', timestamp: '${now}', updated_at: '${now}'})`,
    );
    await lab.upsert([{ id: OTHER_NEW, payload: payloadOf('just deleted', { updated_at: now }) }]);
    const digest = await everything();
    const run = await repair(['--always']);
    expect(run.summary).toMatchObject({ outcome: 'nothing-to-do', exitCode: 0 });
    expect(detailOf(run, 'check-drift')).toMatch(/2 memories changed so lately/);
    expect(await everything()).toBe(digest);
  });

  it('does not get relationships at a node that took the place of another one', async () => {
    await removeMemories(id(0));
    const { proxy, env } = await graphThroughProxy();
    // After the names were read: the other end goes, and a new memory gets its internal id.
    proxy.when(/CREATE \(n:`Memory`/, async () => {
      await removeMemories(id(1));
      await lab.query(`CREATE (:Memory {id: '${NEW}', content: 'in its place'})`);
    });
    await repair(['--always'], { env });
    expect(
      await lab.value(`MATCH (:Memory {id: '${id(0)}'})--(m:Memory {id: '${NEW}'}) RETURN count(m)`),
    ).toBe(0);
    expect(await lab.value(`MATCH (:Memory {id: '${id(0)}'})--(m) RETURN count(m)`)).toBeGreaterThan(0);
  });
});

describe('a run that breaks off between memories and their relationships', () => {
  let throughProxy: Record<string, string>;

  const breakOff = async (): Promise<CommandRun> => {
    const { proxy, env } = await graphThroughProxy();
    throughProxy = env;
    proxy.when(/CREATE \(a\)-\[r/, () => lab.redis('CONFIG', 'SET', 'maxmemory', '1mb'));
    const run = await repair(['--always'], { env });
    await lab.redis('CONFIG', 'SET', 'maxmemory', '0');
    expect(run.summary).toMatchObject({ outcome: 'failed', resumable: true });
    expect(await lab.keys()).toContain(OWED);
    expect((await lab.differences(before)).length).toBeGreaterThan(0);
    return run;
  };

  it('goes on where it stopped', async () => {
    await lab.damage('drift-20');
    const run = await breakOff();
    // A run belongs to the addresses that it began with.
    const env = { ...provider.env, ...throughProxy };
    const resumed = await lab.run(['runs', 'resume', run.summary.run, '--no-input'], { env });
    expect(resumed.failure).toBeNull();
    expect(resumed.exitCode).toBe(0);
    await expectAsBefore();
    expect(await lab.leftovers()).toEqual([`{${GRAPH}}:before:${run.summary.run}`]);
  });

  it('is finished by the next one, which cron begins anew, also where nothing else differs', async () => {
    await removeMemories(id(0), id(1), id(2));
    await breakOff();
    expectRepaired(await repair());
    await expectAsBefore();
    expect(await lab.keys()).not.toContain(OWED);
  });
});

describe('points without a memory', () => {
  beforeEach(() => lab.upsert([{ id: NEW, payload: payloadOf('an orphan') }]));

  it('become memories from their payload where the backup does not know them', async () => {
    const run = await repair(['--always']);
    expectRepaired(run);
    expect(await lab.node(NEW)).toMatchObject({
      content: 'an orphan',
      processed: false,
      tag_prefixes: ['lab'],
    });
  });

  it('stay with --orphans keep, and nothing is copied', async () => {
    const digest = await everything();
    const run = await repair(['--always', '--orphans', 'keep']);
    expect(run.exitCode).toBe(3);
    expect(detailOf(run, 'repair-graph')).toBe('1 points without a memory are left as they are');
    expect(await everything()).toBe(digest);
  });

  it('are deleted only when that was confirmed, and can be brought back', async () => {
    await lab.upsert([{ id: OTHER_NEW, payload: { tags: [] } }]);
    const digest = await everything();
    const refused = await repair(['--always', '--orphans', 'delete']);
    expect(refused.summary).toMatchObject({ exitCode: 2, failure: { code: 'not-confirmed' } });
    expect(await everything()).toBe(digest);
    const points = await lab.points();
    const run = await repair(['--always', '--orphans', 'delete', '--confirm', GRAPH]);
    expectRepaired(run);
    await expectAsBefore();
    expect(run.summary.kept.join()).toContain('a snapshot of the collection');
    await lab.run(['runs', 'rollback', run.summary.run, '--confirm', GRAPH]);
    expect(await lab.points()).toBe(points);
  });

  it('without content go to quarantine, once, and are not counted as repaired', async () => {
    await lab.upsert([{ id: OTHER_NEW, payload: { tags: [] } }]);
    const run = await repair(['--always']);
    expect(run.exitCode).toBe(3);
    expect(run.records('quarantine')).toMatchObject([{ kind: 'memory', id: OTHER_NEW }]);
    expect(await lab.value(`MATCH (m:Memory {id: '${NEW}'}) RETURN count(m)`)).toBe(1);
  });

  it('come back without relationships where there is no backup, which is a loss', async () => {
    await removeMemories(id(0));
    const run = await repair(['--always', '--backup', 'none']);
    expect(run.summary).toMatchObject({ outcome: 'recovered-with-losses', exitCode: 3 });
    expect(run.summary.losses).toEqual([expect.stringContaining('no backup to take relationships from')]);
  });
});

describe('ids that stand on several nodes', () => {
  it('are told and not touched', async () => {
    await lab.query(`MATCH (m:Memory {id: '${id(6)}'}) CREATE (t:Memory) SET t = m, t.importance = 0.001`);
    const digest = await everything();
    const run = await repair(['--always']);
    expect(run.exitCode).toBe(3);
    expect(detailOf(run, 'compare')).toMatch(/1 ids on several nodes/);
    expect(run.summary.validation[1]).toMatchObject({ status: 'fail' });
    expect(await everything()).toBe(digest);
  });
});
