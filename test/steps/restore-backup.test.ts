import { writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { compareVectors, readVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import { GRAPH, Lab, payloadOf, TIMESTAMP, type CommandRun } from '../support/lab.js';

const OLDER = '20261031_030000';
const NEW = '0a000000-0000-4000-8000-000000000001';

let lab: Lab;
let before: GraphSnapshot;
let vectorsBefore: VectorSnapshot;
/** Ids of ordinary memories that have points. */
let ids: string[];

beforeAll(async () => {
  lab = await Lab.start({ aof: true });
  await lab.fill({ memories: 120 });
  await lab.keep();
  before = await lab.snapshot();
  vectorsBefore = await readVectors(lab.stores.vectors);
  const rows = await lab.query('MATCH (m:Memory) WHERE size(m.content) > 40 RETURN m.id');
  const points = await lab.points();
  ids = rows.map(([id]) => String(id)).filter((id) => points.includes(id));
});

afterAll(async () => {
  await before.close();
  await vectorsBefore.close();
  await lab.stop();
});

beforeEach(async () => {
  await lab.qdrant('DELETE', `/collections/${GRAPH}`);
  await makeCollection(8);
  await lab.reset();
});

const id = (index: number): string => ids[index] ?? '';

async function makeCollection(size: number): Promise<void> {
  await lab.qdrant('PUT', `/collections/${GRAPH}`, { vectors: { size, distance: 'Cosine' } });
  for (const field of ['tags', 'tag_prefixes'])
    await lab.qdrant('PUT', `/collections/${GRAPH}/index?wait=true`, {
      field_name: field,
      field_schema: 'keyword',
    });
}

/** Differences of the collection from how it was filled, in words. */
async function pointDifferences(was: VectorSnapshot = vectorsBefore): Promise<string[]> {
  const now = await readVectors(lab.stores.vectors);
  try {
    const { equal, points, settings, examples } = await compareVectors(was, now);
    return equal
      ? []
      : [JSON.stringify({ points, settings }), ...examples.map((example) => JSON.stringify(example))];
  } finally {
    await now.close();
  }
}

async function expectAsBefore(): Promise<void> {
  expect(await lab.differences(before)).toEqual([]);
  expect(await pointDifferences()).toEqual([]);
}

/** All checks passed; the backup is older than the objective, which exit code 5 says. */
function expectRestored(run: CommandRun): void {
  expect(run.summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
  expect(run.summary).toMatchObject({ outcome: 'recovered', quarantined: 0, losses: [] });
  expect([0, 5]).toContain(run.exitCode);
}

const findings = (run: CommandRun): string =>
  run.events.flatMap((event) => (event.type === 'finding' ? [event.finding.message] : [])).join('\n');

const steps = (run: CommandRun, outcome: string): string[] =>
  run.events.flatMap((event) =>
    event.type === 'step.finished' && event.outcome === outcome ? [event.step] : [],
  );

const detail = (run: CommandRun, step: string): string =>
  run.events
    .flatMap((event) => (event.type === 'step.finished' && event.step === step ? [event.detail] : []))
    .join();

/** The pair under another timestamp, as an earlier run of AutoMem's backup would have written it. */
function copyPair(timestamp: string): void {
  for (const half of ['graph', 'vectors'] as const) {
    const text = gunzipSync(lab.backupBytes(half)).toString().replaceAll(TIMESTAMP, timestamp);
    lab.writeBackup(half, gzipSync(text), timestamp);
  }
}

/** Changes the text of the vector half; its gzip container stays sound. */
function editVectors(edit: (text: string) => string): void {
  lab.writeBackup('vectors', gzipSync(edit(gunzipSync(lab.backupBytes('vectors')).toString())));
}

describe('both stores lost', () => {
  it('brings both back to the last property, and says how old they are', async () => {
    await lab.damage('both-lost');
    const run = await lab.recover();
    expectRestored(run);
    await expectAsBefore();
    expect(run.summary).toMatchObject({ plan: 'restore-backup', exitCode: 5 });
    expect(run.summary.restored).toMatchObject({
      nodes: before.nodes,
      relationships: before.relationships,
      vectors: vectorsBefore.points.size,
    });
    expect(await lab.leftovers()).toEqual([]);
  });

  it('keeps both as they were when told only what would happen', async () => {
    await lab.damage('both-lost');
    const run = await lab.recover(['--dry-run']);
    expect(run.exitCode).toBe(0);
    expect(steps(run, 'done')).toContain('stage-relationships');
    expect(await lab.keys()).not.toContain(GRAPH);
    await expect(lab.points()).rejects.toThrow('404');
  });

  it('meets the objective with a backup of this hour', async () => {
    const now = new Date().toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15);
    copyPair(now);
    await lab.damage('both-lost');
    const run = await lab.recover();
    expectRestored(run);
    expect(run.exitCode).toBe(0);
  });

  it('copies what no other restore keeps: nodes without id, twins, label sets, parallel edges, exact numbers', async () => {
    const doubles = ['0.30000000000000004', '1e+300', '5e-324', '-0.0', '100000000000000.5', '7.0'];
    lab.editBackup((backup) => {
      const memory = backup.nodes.find(({ labels }) => labels.includes('Memory'));
      const first = memory?.id ?? 0;
      const free = Math.max(...backup.nodes.map((node) => node.id)) + 1;
      backup.nodes.push(
        {
          id: free,
          labels: ['Note', 'Draft'],
          properties: { text: 'it\'s `odd` \\ "quoted"', empty: [], deep: [[1], ['a', true]] },
        },
        { id: free + 1, labels: ['Note'], properties: { big: 9_223_372_036_854_775_807n, one: 1 } },
        { id: free + 2, labels: ['Memory', 'Extra'], properties: { ...memory?.properties } },
      );
      backup.relationships.push(
        ...[1, 2].map(() => ({ source_id: free, type: 'ABOUT', target_id: first, properties: { since: 3 } })),
        { source_id: free, type: 'ABOUT', target_id: free + 1, properties: {} },
        { source_id: free + 1, type: 'ABOUT', target_id: free + 1, properties: { loop: true } },
        { source_id: free + 2, type: 'TWIN_OF', target_id: first, properties: {} },
      );
    });
    const graph = gunzipSync(lab.backupBytes('graph')).toString();
    const exact = doubles.map((literal, at) => `"x${at}": ${literal}`).join(', ');
    lab.writeBackup('graph', gzipSync(graph.replace('"one": 1', `"one": 1, ${exact}`)));
    await lab.damage('both-lost');
    const run = await lab.recover();
    expect(run.summary.quarantined).toBe(0);
    expect(detail(run, 'validate-copy')).toContain('to the last property');
    const note = 'MATCH (n:Note {one: 1})';
    for (const [at, literal] of doubles.entries())
      expect([
        literal,
        await lab.value(`CYPHER v=${literal} ${note} RETURN n.x${at} = $v AND typeOf(n.x${at}) = 'Float'`),
      ]).toEqual([literal, 'true']);
    expect(await lab.query(`${note} RETURN typeOf(n.one), toString(n.big)`)).toEqual([
      ['Integer', '9223372036854775807'],
    ]);
    expect(await lab.value('MATCH (:Note:Draft)-[r:ABOUT {since: 3}]->(:Memory) RETURN count(r)')).toBe(2);
    expect(await lab.value('MATCH (n:Note)-[r:ABOUT]->(:Note) RETURN count(r)')).toBe(2);
    expect(
      await lab.value('MATCH (t:Memory:Extra)-[:TWIN_OF]->(m:Memory) WHERE t.id = m.id RETURN count(t)'),
    ).toBe(1);
  });
});

describe('a backup that cannot be trusted', () => {
  it('gives way to the one before it, and says so', async () => {
    copyPair(OLDER);
    // Sound as a gzip file, and not what it says: found only by reading it.
    editVectors((text) => text.replace(/"points_count": \d+/, '"points_count": 7'));
    await lab.damage('both-lost');
    const run = await lab.recover();
    expectRestored(run);
    await expectAsBefore();
    expect(findings(run)).toMatch(
      new RegExp(`${TIMESTAMP} is passed over: the vector half says that it holds 7 points`),
    );
    expect(findings(run)).toContain(`The backup ${OLDER} takes its place`);
    expect(run.summary.rpo?.measuredSeconds).toBeGreaterThan(20 * 24 * 3600 - 10_000);
  });

  it('gives way also where its graph half is cut short', async () => {
    copyPair(OLDER);
    lab.writeBackup('graph', lab.backupBytes('graph').subarray(0, 2000));
    await lab.damage('both-lost');
    const run = await lab.recover();
    expectRestored(run);
    expect(run.summary.plan).toBe('restore-backup');
    await expectAsBefore();
  });

  it.each([
    ['a wrong vector size', (text: string) => text.replace(/"vector_size": \d+/, '"vector_size": 9')],
    [
      'another collection',
      (text: string) => text.replace('"collection_name": "memories"', '"collection_name": "other"'),
    ],
    ['half of another run', (text: string) => text.replace(TIMESTAMP, OLDER)],
    ['damage in the middle', (text: string) => text.replace('"payload": {', '"payload": {{')],
  ])('stops before anything is touched when it is named: %s', async (_, edit) => {
    copyPair(OLDER);
    editVectors(edit);
    const points = await lab.points();
    const run = await lab.recover(['restore-backup', '--backup', TIMESTAMP]);
    expect(run.exitCode).toBe(4);
    expect(run.summary.failure?.hint).toContain('--only graph');
    expect(await lab.differences(before)).toEqual([]);
    expect(await lab.points()).toBe(points);
    expect(await lab.leftovers()).toEqual([]);
  });

  it('restores the sound half alone where that is asked for', async () => {
    editVectors((text) => text.replace('"payload": {', '"payload": {{'));
    await lab.damage('both-lost');
    expect((await lab.recover()).exitCode).toBe(4);
    const run = await lab.recover(['restore-backup', '--only', 'graph']);
    expect(run.summary.failure).toBeUndefined();
    expect(await lab.differences(before)).toEqual([]);
    await expect(lab.points()).rejects.toThrow('404');
  });

  it('puts aside the records that cannot be restored, with their reasons, and restores the rest', async () => {
    lab.editBackup((backup) => {
      backup.relationships.push({ source_id: 0, type: 'LEADS_TO', target_id: 999_999, properties: {} });
      backup.nodes.push({ id: 999_998, labels: ['Note'], properties: { map: { not: 'storable' }, kept: 1 } });
    });
    const list = JSON.parse(gunzipSync(lab.backupBytes('vectors')).toString()) as {
      points: { id: unknown; vector: number[]; payload: unknown }[];
    };
    const [bad] = list.points;
    editVectors((text) => text.replace(/"vector": \[\s*(-?[\d.e-]+)/, '"vector": ["broken"'));
    await lab.damage('both-lost');
    const run = await lab.recover();
    expect(run.exitCode).toBe(3);
    const records = run
      .records('quarantine')
      .map(({ kind, id: name, reason }) => `${String(kind)} ${String(name)}: ${String(reason)}`);
    expect(records).toEqual([
      expect.stringContaining('property Note map: the graph cannot hold its value'),
      expect.stringMatching(/relationship 0 -LEADS_TO-> 999999/),
      expect.stringMatching(new RegExp(`memory ${String(bad?.id)}: component 1 of its vector is a text`)),
    ]);
    expect(await lab.value('MATCH (n:Note) RETURN n.kept')).toBe(1);
  });
});

describe('chosen although the stores are there', () => {
  it('names the memories that only the replaced graph holds, and keeps that graph', async () => {
    await lab.query(`CREATE (:Memory {id: '${NEW}', content: 'newer than the backup', type: 'Insight'})`);
    await lab.query(`MATCH (m:Memory {id: '${id(2)}'}) SET m.content = 'changed since'`);
    const run = await lab.recover(['restore-backup']);
    expect(run.exitCode).toBe(3);
    expect(run.summary.losses.join()).toContain(`1 memories that the backup lacks`);
    expect(run.summary.losses.join()).toContain(NEW);
    expect(await lab.differences(before)).toEqual([]);
    expect(await lab.leftovers()).toEqual([`{${GRAPH}}:before:${run.summary.run}`]);
  });

  it('says what was changed after the backup: memories, other nodes, relationships, each as often as it comes', async () => {
    const later = '2026-11-20T10:00:00+00:00';
    await lab.query(`MATCH (m:Memory {id: '${id(2)}'}) SET m.content = 'edited', m.updated_at = '${later}'`);
    // A recall and the nightly decay are no edits.
    await lab.query(
      `MATCH (m:Memory {id: '${id(3)}'}) SET m.last_accessed = '${later}', m.relevance_score = 0.01`,
    );
    // What was only lost since comes back.
    await lab.query(`MATCH (m:Memory {id: '${id(4)}'}) REMOVE m.content`);
    await lab.query("CREATE (:Entity {id: 'entity:people:new', name: 'New'})");
    await lab.query(
      `MATCH (a:Memory {id: '${id(0)}'}), (b:Memory {id: '${id(1)}'}) CREATE (a)-[:LATER]->(b), (a)-[:LATER]->(b)`,
    );
    // Of relationships too: what was changed is told, what was only lost comes back.
    const single =
      'MATCH (a:Memory)-[r]->(b:Memory) WITH a, b, type(r) AS type, collect(r) AS all WHERE size(all) = 1 WITH a, b, all[0] AS r WHERE r.strength IS NOT NULL AND r.updated_at IS NOT NULL WITH a, b, r ORDER BY id(r)';
    const [[source, target] = []] = await lab.query(
      `${single} LIMIT 1 SET r.strength = 0.123 RETURN a.id, b.id`,
    );
    await lab.query(`${single} SKIP 1 LIMIT 1 REMOVE r.updated_at RETURN 1`);
    const foretold = await lab.recover(['restore-backup', '--dry-run']);
    expect(foretold.summary.losses.join('\n')).toContain('2 relationships are not in the backup');
    const run = await lab.recover(['restore-backup']);
    expect(run.exitCode).toBe(3);
    expect(run.summary.losses).toEqual([
      expect.stringMatching(new RegExp(`^1 memories were changed after the backup.*before:.*${id(2)}`)),
      expect.stringMatching(/^1 nodes besides memories are not in the backup.*entity:people:new/),
      expect.stringMatching(new RegExp(`^2 relationships are not in the backup.*${id(0)} -LATER-> ${id(1)}`)),
      expect.stringMatching(
        new RegExp(
          `^1 relationships differ from the backup in their.*before:.*${String(source)} -\\w+-> ${String(target)}`,
        ),
      ),
    ]);
    expect(run.summary.rpo?.measuredSeconds).toBeGreaterThan(0);
  });

  it('puts aside the payloads of points that were changed after the backup', async () => {
    await lab.damage('graph-lost');
    const payload = payloadOf('edited', { updated_at: '2026-11-20T10:00:00+00:00', custom: 1.5 });
    await lab.upsert([{ id: id(2), payload }]);
    const run = await lab.recover(['restore-backup']);
    expect(run.exitCode).toBe(3);
    expect(run.records('quarantine')).toEqual([
      expect.objectContaining({ kind: 'memory', id: id(2), record: { id: id(2), payload } }),
    ]);
    expect(run.summary.losses.join()).toContain('1 points were changed after the backup');
    await expectAsBefore();
  });

  it('keeps points that the backup lacks, and makes memories of them', async () => {
    await lab.upsert([{ id: NEW, payload: payloadOf('newer than the backup') }]);
    const run = await lab.recover(['restore-backup']);
    expect(run.summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
    expect(await lab.value(`MATCH (m:Memory {id: '${NEW}'}) RETURN m.content`)).toBe('newer than the backup');
    const planned = run.events.flatMap((event) => (event.type === 'plans' ? event.options : []));
    expect(planned.flatMap((option) => option.steps).map(({ id }) => id)).not.toContain(
      'delete-extra-points',
    );
    expect(steps(run, 'done')).not.toContain('delete-extra-points');
  });

  it('deletes them with --exact, after everything else was written', async () => {
    await lab.upsert([
      { id: NEW, payload: payloadOf('newer than the backup') },
      { id: 7, payload: payloadOf('seven') },
    ]);
    await lab.removePoints([id(1)]);
    const run = await lab.recover(['restore-backup', '--exact']);
    expectRestored(run);
    expect(detail(run, 'delete-extra-points')).toContain('2 points deleted');
    await expectAsBefore();
  });

  it('keeps with --exact the point of a memory that was stored during the run', async () => {
    // Old enough that nobody waits for its vector.
    const now = new Date(Date.now() - 3_600_000).toISOString().replace('Z', '+00:00');
    const times = { timestamp: now, updated_at: now };
    const stored: Promise<void>[] = [];
    const store = async (): Promise<void> => {
      const fields = `id: '${NEW}', content: 'stored now', type: 'Insight', timestamp: '${now}', updated_at: '${now}'`;
      await lab.query(`CREATE (:Memory {${fields}})`);
      await lab.upsert([{ id: NEW, payload: payloadOf('stored now', times) }]);
    };
    const run = await lab.recover(['restore-backup', '--exact'], {
      onEvent: (event) => {
        if (event.type === 'step.started' && event.step === 'restore-vectors') stored.push(store());
      },
    });
    await Promise.all(stored);
    expect(detail(run, 'delete-extra-points')).toMatch(/^0 points deleted.*1 kept/);
    expect(await lab.points()).toContain(NEW);
  });

  it('adds with --merge what is missing, and changes nothing else', async () => {
    await lab.query(`MATCH (m:Memory {id: '${id(1)}'}) DETACH DELETE m`);
    await lab.query(`MATCH (m:Memory {id: '${id(2)}'}) SET m.summary = 'changed since'`);
    await lab.query(
      `CREATE (:Memory {id: '${NEW}', content: 'newer', type: 'Insight', timestamp: '2026-11-20T00:00:00+00:00'})`,
    );
    await lab.query("CREATE (:Note {text: 'no id'}), (:Note {text: 'no id'})");
    lab.editBackup((backup) => {
      const free = Math.max(...backup.nodes.map((node) => node.id)) + 1;
      for (const at of [0, 1, 2])
        backup.nodes.push({ id: free + at, labels: ['Note'], properties: { text: 'no id' } });
    });
    await lab.removePoints([id(1), id(3)]);
    const changed = payloadOf('of another text', { custom: 1.5 });
    await lab.upsert([
      { id: id(2), payload: changed },
      { id: NEW, payload: payloadOf('newer') },
    ]);
    const run = await lab.recover(['restore-backup', '--merge', '--only', 'vectors']);
    expect(detail(run, 'restore-vectors')).toMatch(/^2 points written; \d+ were there and stay as they are/);
    const stored = JSON.parse(await lab.points()) as { id: string; payload: Record<string, unknown> }[];
    expect(stored.find((point) => point.id === id(2))?.payload).toEqual(changed);
    expect(stored.map((point) => point.id)).toEqual(expect.arrayContaining([id(1), id(3), NEW]));

    await lab.recover(['restore-backup', '--merge', '--only', 'graph']);
    expect(await lab.node(id(2))).toMatchObject({ summary: 'changed since' });
    expect(await lab.value(`MATCH (m:Memory {id: '${NEW}'}) RETURN m.content`)).toBe('newer');
    // Of three alike, the live graph lacked one.
    expect(await lab.value('MATCH (n:Note) RETURN count(n)')).toBe(3);
    const kinds = (await lab.differences(before)).slice(1).map((line) => line.split(' ')[0]);
    expect(kinds.sort()).toEqual(['node-changed', 'node-extra', 'node-extra', 'node-extra', 'node-extra']);
  });
});

describe('one store alone', () => {
  it('--only vectors leaves the graph as it is', async () => {
    await lab.query(`MATCH (m:Memory {id: '${id(2)}'}) SET m.summary = 'changed since'`);
    await lab.qdrant('DELETE', `/collections/${GRAPH}`);
    const run = await lab.recover(['restore-backup', '--only', 'vectors']);
    expect(steps(run, 'skipped')).toEqual(
      expect.arrayContaining([
        'open-backup',
        'stage-nodes',
        'stage-relationships',
        'validate-copy',
        'promote-graph',
      ]),
    );
    expect(await pointDifferences()).toEqual([]);
    expect(await lab.node(id(2))).toMatchObject({ summary: 'changed since' });
    expect(await lab.leftovers()).toEqual([]);
  });

  it('--only graph leaves the points as they are', async () => {
    await lab.removePoints([id(2)]);
    await lab.damage('graph-lost');
    const points = await lab.points();
    const run = await lab.recover(['restore-backup', '--only', 'graph']);
    expect(steps(run, 'skipped')).toEqual(
      expect.arrayContaining(['safeguard-vectors', 'restore-vectors', 'create-indexes']),
    );
    expect(await lab.differences(before)).toEqual([]);
    expect(await lab.points()).toBe(points);
  });

  it.each([
    ['another size', { size: 9, distance: 'Cosine' }, 'its vectors have 9 components'],
    ['named vectors alone', { text: { size: 8, distance: 'Cosine' } }, 'have names'],
  ])('refuses a collection with %s before anything is touched', async (_, vectors, reason) => {
    await lab.damage('graph-lost');
    await lab.qdrant('DELETE', `/collections/${GRAPH}`);
    await lab.qdrant('PUT', `/collections/${GRAPH}`, { vectors });
    // An empty one of another size would make room for one as the backup had it.
    if ('size' in vectors) await lab.upsert([{ id: 1, payload: {} }], 9);
    const run = await lab.recover(['restore-backup']);
    expect(run.exitCode).toBe(2);
    expect(run.summary.failure?.message).toContain(reason);
    expect(await lab.keys()).not.toContain(GRAPH);
    expect(await lab.leftovers()).toEqual([]);
  });

  it('keeps vectors that points have under other names', async () => {
    await lab.qdrant('DELETE', `/collections/${GRAPH}`);
    const vectors = { '': { size: 8, distance: 'Cosine' }, image: { size: 2, distance: 'Dot' } };
    await lab.qdrant('PUT', `/collections/${GRAPH}`, { vectors });
    const image = [0.5, 2];
    const point = { id: id(0), vector: { '': [1, 0, 0, 0, 0, 0, 0, 0], image }, payload: { stale: true } };
    await lab.qdrant('PUT', `/collections/${GRAPH}/points?wait=true`, { points: [point] });
    await lab.recover(['restore-backup', '--only', 'vectors']);
    const [stored] = await lab.qdrant<{ payload: object; vector: { image: number[] } }[]>(
      'POST',
      `/collections/${GRAPH}/points`,
      {
        ids: [id(0)],
        with_payload: true,
        with_vector: true,
      },
    );
    expect(stored?.vector.image).toEqual(image);
    expect(stored?.payload).not.toHaveProperty('stale');
    expect(stored?.payload).toHaveProperty('content');
    expect(await lab.qdrant('POST', `/collections/${GRAPH}/points/count`, { exact: true })).toEqual({
      count: vectorsBefore.points.size,
    });
  });
});

describe('--file', () => {
  const file = (name: string): string => join(lab.folder, 'given', name);

  beforeEach(async () => {
    await rm(join(lab.folder, 'given'), { recursive: true, force: true });
    await mkdir(join(lab.folder, 'given'));
  });

  /** The backups that the settings lead to are gone: only the file is left. */
  async function given(name: string, content: Buffer): Promise<string> {
    writeFileSync(file(name), content);
    await rm(lab.backups, { recursive: true, force: true });
    return file(name);
  }

  it("restores both from AutoMem's archive", async () => {
    const path = await given(
      'backup.tar.gz',
      await archiveOf({ graph: lab.backupBytes('graph'), vectors: lab.backupBytes('vectors') }),
    );
    await lab.damage('both-lost');
    const run = await lab.recover(['--file', path]);
    expectRestored(run);
    await expectAsBefore();
  });

  it.each([
    ['as AutoMem writes it', 'falkordb.json.gz', (bytes: Buffer) => bytes],
    ['as plain JSON', 'anything', (bytes: Buffer) => gunzipSync(bytes)],
  ])('restores the graph from its half, %s', async (_, name, form) => {
    const path = await given(name, form(lab.backupBytes('graph')));
    await lab.damage('graph-lost');
    const run = await lab.recover(['restore-graph', '--file', path, '--only', 'graph']);
    expectRestored(run);
    await expectAsBefore();
  });

  it('restores the vectors from their half, and makes the graph of their payloads', async () => {
    const path = await given('vectors.json', gunzipSync(lab.backupBytes('vectors')));
    await lab.damage('both-lost');
    const run = await lab.recover(['--file', path]);
    expect(run.summary.plan).toBe('restore-vectors');
    expect(await pointDifferences()).toEqual([]);
    expect(run.summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
    expect(await lab.value('MATCH (m:Memory) RETURN count(m)')).toBe(vectorsBefore.points.size);
    // What only the graph knew is lost, and that is said.
    expect(run.exitCode).toBe(3);
    expect(run.summary.losses.join()).toContain('relationships');
  });

  it('says of half a backup what helps: the other half, or the plan that does without', async () => {
    await lab.damage('both-lost');
    for (const [half, plan] of [
      ['graph', 'restore-graph'],
      ['vectors', 'restore-vectors'],
    ] as const) {
      const path = join(lab.folder, `half-${half}.json.gz`);
      writeFileSync(path, lab.backupBytes(half));
      const run = await lab.recover(['--file', path, '--dry-run']);
      const actions = run.events.flatMap((event) =>
        event.type === 'finding' && event.finding.code === 'backup-broken' ? [event.finding.action] : [],
      );
      expect(actions).toEqual([
        expect.stringContaining(`AUTOMEM_BACKUP_DIR. With this half alone, the plan ${plan} `),
      ]);
      expect(run.summary).toMatchObject({ exitCode: 0, plan });
    }
  });

  it('restores a bare list of points', async () => {
    const { points } = JSON.parse(gunzipSync(lab.backupBytes('vectors')).toString()) as { points: unknown[] };
    const path = await given('points.json', Buffer.from(JSON.stringify(points.slice(0, 20))));
    await lab.damage('both-lost');
    const run = await lab.recover(['--file', path]);
    expect(run.summary.plan).toBe('restore-vectors');
    expect(run.summary.restored).toMatchObject({ vectors: 20, memories: 20 });
    expect(run.stdout).toContain('does not say when it was taken');
  });

  it('changes nothing where both stores are there and no plan is named', async () => {
    const path = await given(
      'backup.tar.gz',
      await archiveOf({ graph: lab.backupBytes('graph'), vectors: lab.backupBytes('vectors') }),
    );
    const run = await lab.recover(['--file', path]);
    expect(run.summary).toMatchObject({ plan: 'healthy', exitCode: 0 });
    expect(run.stdout).toContain('nothing of');
    await expectAsBefore();
  });

  it.each([
    ['a file that is not there', null, 2],
    ['no backup', Buffer.from('REDIS0011'), 4],
    ['half an archive', 'cut', 4],
  ])('says what is wrong with %s', async (_, content, exitCode) => {
    const whole = await archiveOf({ graph: lab.backupBytes('graph'), vectors: lab.backupBytes('vectors') });
    const path = file('given');
    if (content !== null)
      writeFileSync(path, content === 'cut' ? whole.subarray(0, whole.length >> 1) : content);
    const run = await lab.recover(['restore-backup', '--file', path]);
    expect(run.exitCode).toBe(exitCode);
    expect(run.stdout + run.stderr).toContain(path);
    await expectAsBefore();
  });
});

/** As GET /backup packs it. */
async function archiveOf(halves: { graph: Buffer; vectors: Buffer }): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: `falkordb/falkordb_${TIMESTAMP}.json.gz` }, halves.graph);
  tar.entry({ name: `qdrant/qdrant_${TIMESTAMP}.json.gz` }, halves.vectors);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}
