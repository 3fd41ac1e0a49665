import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { placeholderVector } from '../../src/memory/placeholder.js';
import type { CheckResult } from '../../src/recovery/events.js';
import { GRAPH, Lab, payloadOf, type CommandRun } from '../support/lab.js';

const NEW = '0a000000-0000-4000-8000-000000000001';

let lab: Lab;
/** An ordinary memory with a point. */
let some: string;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 150, dim: 16 });
  await lab.keep();
  const points = await lab.points();
  const rows = await lab.query(
    'MATCH (m:Memory)--() WHERE size(m.content) > 30 AND size(m.tags) > 0 RETURN DISTINCT m.id ORDER BY m.id',
  );
  some = rows.map(([id]) => String(id)).find((id) => points.includes(id)) ?? '';
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

const validate = (env: Record<string, string> = {}): Promise<CommandRun> =>
  lab.run(['validate', '--json'], { env });

function checks(run: CommandRun): CheckResult[] {
  return run.events.flatMap((event) => (event.type === 'check' ? [event.check] : []));
}

const statuses = (run: CommandRun): string =>
  checks(run)
    .map(({ status }) => status)
    .join(' ');

/** One check fails, with what it found and what mends it; the others are as given. */
function expectFailed(run: CommandRun, step: number, actual: RegExp, fix: RegExp, all: string): void {
  expect(statuses(run)).toBe(all);
  const check = checks(run)[step - 1];
  expect(check?.actual).toMatch(actual);
  expect(check?.fix).toMatch(fix);
  expect(run.summary).toMatchObject({ outcome: 'validation-failed', exitCode: 3 });
  expect(run.exitCode).toBe(3);
}

describe('stores that agree', () => {
  it('pass all five checks, each with what it looked at', async () => {
    const run = await validate();
    expect(statuses(run)).toBe('pass pass pass pass pass');
    expect(run.summary).toMatchObject({ outcome: 'validated', exitCode: 0, plan: null });
    expect(checks(run).map(({ provesData }) => provesData)).toEqual([false, true, true, true, true]);
    expect(checks(run)[1]?.actual).toMatch(/151 memories, 148 points, 148 in both/);
    expect(run.summary.validation).toHaveLength(5);
    expect(run.summary.files).toEqual({});
  });

  it('pass where a point is of a type that is excluded, and a memory without content has none', async () => {
    await lab.upsert([{ id: NEW, payload: payloadOf('ignored', { type: 'MetaPattern' }) }], 16);
    await lab.query(
      "CREATE (:Memory {id: '0a000000-0000-4000-8000-000000000002', content: '   ', type: 'Insight'})",
    );
    expect(statuses(await validate())).toBe('pass pass pass pass pass');
  });

  it('pass where only what the graph alone knows is newer', async () => {
    await lab.query(
      `MATCH (m:Memory {id: '${some}'}) SET m.last_accessed = '2026-11-21T00:00:00+00:00', m.summary = 'new', m.protected = true`,
    );
    expect(statuses(await validate())).toBe('pass pass pass pass pass');
  });
});

describe('the second check', () => {
  it('finds a point without a memory', async () => {
    await lab.upsert([{ id: NEW, payload: payloadOf('an orphan') }], 16);
    expectFailed(
      await validate(),
      2,
      new RegExp(`1 points without a memory \\(${NEW}\\)`),
      /^bring memories back that only Qdrant holds: lifeboat validate --fix$/,
      'pass fail pass pass pass',
    );
    // What the check names does mend it.
    const mended = await lab.recover(['rebuild-graph']);
    expect(mended.summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
    expect(await lab.value(`MATCH (m:Memory {id: '${NEW}'}) RETURN m.content`)).toBe('an orphan');
  });

  it.each([
    ['content', { content: 'something else' }],
    ['tags', { tags: ['other'] }],
    ['importance', { importance: 0.123 }],
    ['metadata', { metadata: { other: 1 } }],
    ['type', { type: 'Style' }],
  ])('finds a payload that says something else: %s', async (field, payload) => {
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload?wait=true`, { points: [some], payload });
    expectFailed(
      await validate(),
      2,
      new RegExp(`1 memories whose payload differs \\(${some} \\(${field}\\)\\)`),
      /the graph, which decides over them: lifeboat validate --fix$/,
      'pass fail pass pass pass',
    );
  });

  it('is not misled by texts that have to be escaped', async () => {
    const odd = ['C:\\temp', 'a\\nb', 'say "x"', 'x","y', 'tab\there', '🧠'];
    const literal = odd.map((tag) => `'${tag.replace(/[\\']/g, '\\$&')}'`).join(', ');
    await lab.query(
      `MATCH (m:Memory {id: '${some}'}) SET m.tags = [${literal}], m.type = 'Back\\\\slash "quoted"'`,
    );
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload?wait=true`, {
      points: [some],
      payload: { tags: odd, type: 'Back\\slash "quoted"' },
    });
    expect(statuses(await validate())).toBe('pass pass pass pass pass');
    // One tag in the graph, two in the payload: the same text once it is printed without escaping.
    await lab.query(`MATCH (m:Memory {id: '${some}'}) SET m.tags = ['x","y']`);
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload?wait=true`, {
      points: [some],
      payload: { tags: ['x', 'y'] },
    });
    expectFailed(
      await validate(),
      2,
      /payload differs .*\(tags\)/,
      /the graph, which decides over them: lifeboat validate --fix$/,
      'pass fail pass pass pass',
    );
  });

  it('finds an id that stands on two nodes, also where it has no point', async () => {
    await lab.query(`MATCH (m:Memory {id: '${some}'}) CREATE (t:Memory) SET t = m`);
    expectFailed(
      await validate(),
      2,
      new RegExp(`1 ids that stand on two nodes \\(${some}\\)`),
      /duplicate/,
      'pass fail pass pass pass',
    );
    await lab.reset();
    await lab.query("CREATE (:Memory {id: 'twin', content: ''}), (:Memory {id: 'twin', content: ''})");
    expectFailed(
      await validate(),
      2,
      /1 ids that stand on two nodes \(twin\)/,
      /duplicate/,
      'pass fail pass pass pass',
    );
  });

  it('fails where a graph or a collection is not there', async () => {
    await lab.damage('graph-lost');
    expectFailed(
      await validate(),
      2,
      /there is no graph "memories"/,
      /lifeboat recover rebuild-graph/,
      'pass fail skip skip skip',
    );
    await lab.reset();
    await lab.query('MATCH (n) DETACH DELETE n');
    expectFailed(
      await validate(),
      2,
      /148 points without a memory/,
      /lifeboat recover rebuild-graph/,
      'pass fail pass pass skip',
    );
  });
});

describe('the third check', () => {
  it('fails where many memories have no relationship at all, and its fix brings them back', async () => {
    const before = await lab.snapshot();
    await lab.query('MATCH ()-[r]->() DELETE r');
    expectFailed(
      await validate(),
      3,
      /none, among 151 memories/,
      /lifeboat recover rebuild-graph/,
      'pass pass fail pass pass',
    );
    const mended = await lab.recover(['rebuild-graph']);
    expect(mended.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
    expect(await lab.differences(before)).toEqual([]);
    await before.close();
  });

  it('holds what a recovery wrote against what is there, by type', async () => {
    await lab.damage('graph-lost');
    // Between the end of the steps and the validation, one relationship vanishes.
    const gone: Promise<unknown>[] = [];
    const run = await lab.recover([], {
      onEvent: (event) => {
        if (event.type === 'step.finished' && event.step === 'compact-aof')
          gone.push(lab.query('MATCH ()-[r:PRECEDED_BY]->() WITH r LIMIT 1 DELETE r'));
      },
    });
    await Promise.all(gone);
    expectFailed(
      run,
      3,
      /PRECEDED_BY: \d+ expected, \d+ found/,
      /lifeboat recover rebuild-graph/,
      'pass pass fail pass pass',
    );
  });
});

describe('the fourth check', () => {
  it('finds a memory whose point is gone', async () => {
    await lab.removePoints([some]);
    expectFailed(
      await validate(),
      4,
      new RegExp(`147 of 148 eligible memories.*1 memories without a vector \\(${some}\\)`),
      /^take them from the newest backup, or embed them: lifeboat validate --fix$/,
      'pass pass pass fail pass',
    );
  });

  it('finds a point whose vector is gone', async () => {
    await lab.qdrant('POST', `/collections/${GRAPH}/points/vectors/delete?wait=true`, {
      points: [some],
      vector: [''],
    });
    expectFailed(
      await validate(),
      4,
      /1 points without a vector/,
      /^take them from the newest backup, or embed them: lifeboat validate --fix$/,
      'pass pass pass fail pass',
    );
  });

  it('finds a placeholder that a provider outage left', async () => {
    const [point] = await lab.qdrant<{ payload: Record<string, unknown> }[]>(
      'POST',
      `/collections/${GRAPH}/points`,
      { ids: [some], with_payload: true },
    );
    const payload = point?.payload ?? {};
    await lab.upsert([{ id: some, payload, vector: placeholderVector(String(payload['content']), 16) }]);
    expectFailed(
      await validate(),
      4,
      new RegExp(`1 placeholder vectors \\(${some}\\)`),
      /^take them from the newest backup, or embed them: lifeboat validate --fix$/,
      'pass pass pass fail pass',
    );
  });

  it('finds every one of many placeholders', async () => {
    const points = Array.from({ length: 40 }, (_, i) => {
      const id = `0b000000-0000-4000-8000-0000000000${String(i).padStart(2, '0')}`;
      const content = `placeholder ${i}`;
      return { id, payload: payloadOf(content), vector: placeholderVector(content, 16) };
    });
    await lab.upsert(points);
    await lab.query(
      `UNWIND [${points.map(({ id }) => `'${id}'`).join(',')}] AS id CREATE (:Memory {id: id})`,
    );
    for (const { id, payload } of points) {
      await lab.query(
        `MATCH (m:Memory {id: '${id}'}) SET m.content = '${String(payload['content'])}', m.tags = ['lab'], m.importance = 0.7, m.timestamp = '${String(payload['timestamp'])}', m.updated_at = '${String(payload['updated_at'])}', m.type = 'Decision', m.confidence = 0.9, m.metadata = '{}'`,
      );
    }
    expectFailed(
      await validate(),
      4,
      /40 placeholder vectors/,
      /^take them from the newest backup, or embed them: lifeboat validate --fix$/,
      'pass pass pass fail pass',
    );
  });
});

describe('a store that is away', () => {
  it.each([
    ['the graph server', { FALKORDB_PORT: '1' }, 'fail skip skip skip skip'],
    ['Qdrant', { QDRANT_URL: 'http://127.0.0.1:1' }, 'fail skip pass skip skip'],
  ])('%s: the first check fails, what can be checked is, exit 10', async (_, env, all) => {
    const run = await validate(env);
    expect(statuses(run)).toBe(all);
    expect(checks(run)[0]).toMatchObject({
      actual: expect.stringContaining('nothing listens') as string,
      fix: expect.stringContaining('start the store') as string,
    });
    expect(run.exitCode).toBe(10);
    expect(run.summary).toMatchObject({ outcome: 'validation-failed', exitCode: 10 });
  });
});

describe('empty stores', () => {
  it('prove nothing, and do not pass', async () => {
    await lab.damage('graph-empty');
    await lab.damage('vectors-empty');
    const run = await validate();
    expect(run.exitCode).toBe(3);
    expect(checks(run)[1]).toMatchObject({
      status: 'fail',
      actual: expect.stringContaining('both stores are empty') as string,
    });
  });
});
