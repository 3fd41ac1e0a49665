import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { GRAPH, Lab, payloadOf, type CommandRun } from '../support/lab.js';

const NEW = '0a000000-0000-4000-8000-000000000001';
const OTHER_NEW = '0a000000-0000-4000-8000-000000000002';

let lab: Lab;
let before: GraphSnapshot;
/** Ids of ordinary memories that have points, oldest first. */
let ids: string[];

beforeAll(async () => {
  lab = await Lab.start({ aof: true });
  await lab.fill({ memories: 240 });
  await lab.keep();
  before = await lab.snapshot();
  const rows = await lab.query(
    "MATCH (m:Memory) WHERE m.content STARTS WITH 'W' OR m.content STARTS WITH 'D' RETURN m.id ORDER BY m.timestamp",
  );
  const points = await lab.points();
  ids = rows.map(([id]) => String(id)).filter((id) => points.includes(id));
});

afterAll(async () => {
  await before.close();
  await lab.stop();
});

beforeEach(() => lab.reset());

const id = (index: number): string => ids[index] ?? '';

const node = (memory: string): Promise<Record<string, unknown>> => lab.node(memory);

function expectRecovered(run: CommandRun): void {
  expect(run.summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
  expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0, quarantined: 0, losses: [] });
}

describe('with a backup of the same day', () => {
  it.each(['graph-lost', 'graph-empty'])(
    'brings the graph back to the last property: %s',
    async (scenario) => {
      const points = await lab.points();
      await lab.damage(scenario);
      const run = await lab.recover();
      expectRecovered(run);
      expect(await lab.differences(before)).toEqual([]);
      expect(await lab.points()).toBe(points);
      const kept = scenario === 'graph-empty' ? [`{${GRAPH}}:before:${run.summary.run}`] : [];
      expect(await lab.leftovers()).toEqual(kept);
      expect(run.summary.restored).toMatchObject({
        nodes: before.nodes,
        relationships: before.relationships,
      });
    },
  );

  it('compacts the append-only file and waits, so that a restart has the same graph at once', async () => {
    await lab.damage('graph-lost');
    const run = await lab.recover();
    const compacted = run.events.find(
      (event) => event.type === 'step.finished' && event.step === 'compact-aof',
    );
    expect(compacted).toMatchObject({
      outcome: 'done',
      detail: 'compacted: a restart loads the new graph at once',
    });
    await lab.engines.servers.graph.kill();
    await lab.engines.restartGraph();
    expect(await lab.differences(before)).toEqual([]);
  });

  it('carries over what the live graph still holds, as it is now', async () => {
    const [kept, edited, gone] = [id(3), id(5), id(7)];
    await lab.query(`MATCH (m:Memory) WHERE NOT m.id IN ['${kept}', '${edited}', '${gone}'] DETACH DELETE m`);
    await lab.query(
      `MATCH (m:Memory {id: '${edited}'}) SET m.summary = 'edited since', m.last_accessed = '2026-11-21T00:00:00+00:00'`,
    );
    await lab.query(`MATCH (m:Memory {id: '${gone}'}) DETACH DELETE m`);
    await lab.query(
      `MATCH (a:Memory {id: '${kept}'}), (b:Memory {id: '${edited}'}) CREATE (a)-[:LEADS_TO {strength: 0.25}]->(b)`,
    );
    const run = await lab.recover();
    expectRecovered(run);
    expect(await node(edited)).toMatchObject({
      summary: 'edited since',
      last_accessed: '2026-11-21T00:00:00+00:00',
    });
    expect(
      await lab.value(
        `MATCH ({id: '${kept}'})-[r:LEADS_TO {strength: 0.25}]->({id: '${edited}'}) RETURN count(r)`,
      ),
    ).toBe(1);
    // Nothing else differs: one node changed, one relationship more.
    expect(
      (await lab.differences(before))
        .slice(1)
        .map((line) => line.split(' ')[0])
        .sort(),
    ).toEqual(['node-changed', 'relationship-extra']);
  });

  it('keeps parallel relationships of the backup where the live graph still holds their ends, or a memory changed', async () => {
    // The population has three parallel RELATES_TO between two memories: one twin pair and one that differs.
    const parallel = `MATCH (a:Memory)-[r:RELATES_TO]->(b:Memory) WITH a, b, count(r) AS n WHERE n > 2 RETURN a.id, b.id, n`;
    const [[source, target, count] = []] = await lab.query(parallel);
    expect(count).toBeGreaterThanOrEqual(3);
    const ends = [String(source), String(target)].map((end) => `'${end}'`).join(', ');
    // Both ends survive, their relationships do not.
    await lab.query(`MATCH (m) WHERE NOT m.id IN [${ends}] DETACH DELETE m`);
    await lab.query('MATCH ()-[r]->() DELETE r');
    expectRecovered(await lab.recover());
    expect(await lab.differences(before)).toEqual([]);
  });

  it('does not double a relationship that the live graph holds in a newer form', async () => {
    const parallel = `MATCH (a:Memory)-[r:RELATES_TO]->(b:Memory) WITH a, b, count(r) AS n WHERE n > 2 RETURN a.id, b.id, n`;
    const [[source, target, count] = []] = await lab.query(parallel);
    const pair = `(a {id: '${String(source)}'})-[r:RELATES_TO]->(b {id: '${String(target)}'})`;
    await lab.query(`MATCH (m) WHERE NOT m.id IN ['${String(source)}', '${String(target)}'] DETACH DELETE m`);
    // One of the three is left, with another strength; the other two are gone.
    await lab.query(`MATCH ${pair} WHERE r.strength < 0.9 WITH r LIMIT 2 DELETE r`);
    await lab.query(`MATCH ${pair} SET r.strength = 0.125`);
    expectRecovered(await lab.recover());
    const [[strengths] = []] = await lab.query(`MATCH ${pair} RETURN collect(r.strength)`);
    expect(await lab.value(`MATCH ${pair} RETURN count(r)`)).toBe(count);
    expect(String(strengths)).toContain('0.125');
  });

  it('puts aside what AutoMem left under the live key but memories: control node and runs', async () => {
    await lab.damage('graph-empty');
    await lab.query(
      "CREATE (:ConsolidationControl {id: 'global', decay_last_run: '2026-11-21T00:00:00+00:00'})",
    );
    expectRecovered(await lab.recover());
    expect(await lab.value('MATCH (c:ConsolidationControl) RETURN count(c)')).toBe(1);
    expect(await lab.value('MATCH (c:ConsolidationControl) RETURN c.decay_last_run')).toBe(
      '2026-11-21T00:00:00+00:00',
    );
  });

  it('gives a memory that changed since the backup what its payload says, and the rest from the backup', async () => {
    const [changed] = ids;
    const [point] = await lab.qdrant<{ payload: Record<string, unknown> }[]>(
      'POST',
      `/collections/${GRAPH}/points`,
      { ids: [changed], with_payload: true },
    );
    const old = await node(changed ?? '');
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload?wait=true`, {
      points: [changed],
      payload: {
        content: 'It was decided otherwise.',
        tags: ['Project:Atlas', 'q4/Goals'],
        updated_at: '2026-11-01T08:00:00+00:00',
        importance: 1,
      },
    });
    await lab.damage('graph-lost');
    expectRecovered(await lab.recover());
    const now = await node(changed ?? '');
    expect(point?.payload['content']).toBe(old['content']);
    expect(now).toMatchObject({
      content: 'It was decided otherwise.',
      tags: ['Project:Atlas', 'q4/Goals'],
      tag_prefixes: ['project', 'project:atlas', 'q4', 'q4:goals'],
      updated_at: '2026-11-01T08:00:00+00:00',
      importance: 1,
      processed: false,
      timestamp: old['timestamp'],
      metadata: old['metadata'],
    });
    expect(now['summary']).toBe(old['summary']);
    const [only] = (await lab.differences(before)).slice(1);
    expect(only).toContain(changed);
  });

  it('makes a memory that is newer than the backup from its payload, by the rules', async () => {
    const payload =
      '{"content":"Zürich 🧠 \\"quoted\\"","tags":["Project:Atlas/Core","x"],"importance":1,"confidence":1.0,' +
      '"timestamp":"2026-11-01T10:00:00+00:00","type":"Insight","relevance_score":0.5,"archived":true,' +
      '"metadata":{"whole":1,"double":1.0,"text":"Grüße 🧠","none":null,"list":[1,2.5,"x"],"big":1234567890123456789},' +
      '"t_invalid":null,"custom_int":7,"custom_double":7.0,"custom_list":["a"],"custom_map":{"k":1.0}}';
    await lab.upsert([{ id: NEW, payload }]);
    await lab.damage('graph-lost');
    const run = await lab.recover();
    expectRecovered(run);
    expect(await node(NEW)).toMatchObject({
      id: NEW,
      content: 'Zürich 🧠 "quoted"',
      tag_prefixes: ['project', 'project:atlas', 'project:atlas:core', 'x'],
      t_valid: '2026-11-01T10:00:00+00:00',
      updated_at: '2026-11-01T10:00:00+00:00',
      last_accessed: '2026-11-01T10:00:00+00:00',
      processed: false,
      archived: true,
      metadata:
        '{"whole": 1, "double": 1.0, "text": "Gr\\u00fc\\u00dfe \\ud83e\\udde0", "none": null, "list": [1, 2.5, "x"], "big": 1234567890123456789}',
    });
    const types = `MATCH (m {id: '${NEW}'}) RETURN typeOf(m.importance), typeOf(m.confidence), typeOf(m.custom_int), typeOf(m.custom_double), typeOf(m.custom_map)`;
    expect(await lab.query(types)).toEqual([['Integer', 'Float', 'Integer', 'Float', 'String']]);
    expect(await lab.value(`MATCH (m {id: '${NEW}'}) RETURN m.t_invalid IS NULL`)).toBe('true');
    expect(run.records('salvage')).toMatchObject([{ id: NEW, field: 'custom_map' }]);
  });

  it('takes relationships that payloads hint at for what the backup does not know', async () => {
    await lab.upsert([
      {
        id: NEW,
        payload: payloadOf('the first', {
          metadata: {
            enrichment: {
              last_run: '2026-11-01T11:00:00+00:00',
              semantic_neighbors: [
                { id: id(2), score: 0.875 },
                { id: OTHER_NEW, score: 0.5 },
                { id: '0b000000-0000-4000-8000-00000000dead', score: 0.4 },
                { score: 1 },
              ],
              patterns_detected: [
                { type: 'Insight', similar_memories: 4, key_terms: ['a', 'b'] },
                { type: 'Nightly', similar_memories: 3, key_terms: ['n'] },
              ],
              temporal_links: 0,
            },
            relationships: [
              { type: 'DEPENDS_ON', target: id(1).toUpperCase(), weight: 2 },
              { type: 'bad type', target: id(1) },
            ],
          },
        }),
      },
      { id: OTHER_NEW, payload: payloadOf('the second') },
    ]);
    await lab.damage('graph-lost');
    const run = await lab.recover();
    const similar = `MATCH (a {id: '${NEW}'})-[r:SIMILAR_TO]-(b) RETURN b.id, r.score, r.updated_at`;
    const rows = await lab.query(similar);
    expect(rows.map(([other]) => other).sort()).toEqual([OTHER_NEW, OTHER_NEW, id(2), id(2)].sort());
    expect(await lab.query(`MATCH ({id: '${NEW}'})-[r:DEPENDS_ON]->(b) RETURN b.id, r.weight`)).toEqual([
      [id(1), 2],
    ]);
    // The backup has the pattern for Insight; the other one is made from the hint.
    expect(await lab.value("MATCH (p:Pattern {type: 'Insight'}) RETURN count(p)")).toBe(1);
    expect(
      await lab.query(`MATCH ({id: '${NEW}'})-[:EXEMPLIFIES]->(p:Pattern) RETURN p.type ORDER BY p.type`),
    ).toEqual([['Insight'], ['Nightly']]);
    expect(run.exitCode).toBe(3);
    expect(run.summary.outcome).toBe('recovered-with-losses');
    const reasons = run.records('quarantine').map(({ reason }) => String(reason));
    expect(reasons).toHaveLength(4);
    expect(reasons.filter((reason) => reason.includes('does not exist'))).toHaveLength(2);
    expect(reasons.filter((reason) => reason.includes('names no'))).toHaveLength(2);
  });

  it('puts a memory aside that had a vector when the backup was taken and has none now', async () => {
    const [deleted] = ids;
    const touching = Number(await lab.value(`MATCH ({id: '${deleted}'})-[r]-() RETURN count(r)`));
    expect(touching).toBeGreaterThan(0);
    await lab.removePoints([deleted ?? '']);
    await lab.damage('graph-lost');
    const run = await lab.recover();
    expect(run.exitCode).toBe(3);
    expect(run.summary).toMatchObject({ outcome: 'recovered-with-losses', quarantined: 1 + touching });
    expect(await lab.value(`MATCH (m {id: '${deleted}'}) RETURN count(m)`)).toBe(0);
    const [memory, ...relationships] = run.records('quarantine');
    expect(memory).toMatchObject({ kind: 'memory', id: deleted });
    expect(String(memory?.['reason'])).toContain('--restore-unmatched');
    expect(memory?.['record']).toMatchObject({ labels: ['Memory'], properties: { id: deleted } });
    expect(
      relationships.every(
        ({ kind, reason }) => kind === 'relationship' && String(reason).includes('was not brought back'),
      ),
    ).toBe(true);

    await lab.redis('DEL', GRAPH, `{${GRAPH}}:before:${run.summary.run}`);
    const again = await lab.recover(['--restore-unmatched']);
    expect(await lab.differences(before)).toEqual([]);
    // Back, but without a vector: the fourth check says so.
    expect(again.exitCode).toBe(3);
    expect(again.summary.validation.map(({ status }) => status)).toEqual([
      'pass',
      'pass',
      'pass',
      'fail',
      'pass',
    ]);
  });

  it('brings such memories back where the vector half of the backup cannot tell', async () => {
    const [deleted] = ids;
    await lab.removePoints([deleted ?? '']);
    await lab.damage('graph-lost');
    lab.writeBackup('vectors', lab.backupBytes('vectors').subarray(0, 500));
    const run = await lab.recover();
    expect(await lab.differences(before)).toEqual([]);
    expect(
      run.events.some((event) => event.type === 'notice' && event.message.includes('cannot be read')),
    ).toBe(true);
  });

  it('brings back twins under one id, several labels, and nodes without id, with their relationships', async () => {
    await lab.query(
      "MATCH (m:Memory) WITH m LIMIT 1 CREATE (n:Note {text: 'no id'})-[:ABOUT {since: 1.0}]->(m), (m)<-[:ABOUT]-(:Note {text: 'no id'})",
    );
    await lab.query(
      `MATCH (m:Memory {id: '${id(4)}'}) CREATE (t:Memory:Draft:Third) SET t = m CREATE (t)-[:TWIN_OF]->(m)`,
    );
    await lab.query(`MATCH (m:Memory {id: '${id(6)}'}) SET m:Pinned:Extra`);
    const full = await lab.snapshot();
    try {
      await backupNow();
      await lab.damage('graph-lost');
      const run = await lab.recover();
      expect(await lab.differences(full)).toEqual([]);
      expect(run.summary.quarantined).toBe(0);
      // The second check finds the twins, as it should.
      expect(run.exitCode).toBe(3);
      expect(run.summary.validation[1]).toMatchObject({ status: 'fail' });
      expect(run.summary.validation[1]?.actual).toContain('stand on two nodes');
    } finally {
      await full.close();
    }
  });
});

describe('without a backup', () => {
  it('rebuilds every memory and says what could not come back', async () => {
    await lab.damage('graph-lost');
    const run = await lab.recover(['--backup', 'none']);
    expect(run.exitCode).toBe(3);
    expect(run.summary.outcome).toBe('recovered-with-losses');
    expect(run.summary.losses.join(' ')).toMatch(
      /No graph half of a backup was used.*relationships.*summary, enriched/,
    );
    const points = await lab.qdrant<{ count: number }>('POST', `/collections/${GRAPH}/points/count`, {
      exact: true,
    });
    expect(run.summary.restored.memories).toBe(points.count);
    expect(Number(await lab.value('MATCH ()-[r:SIMILAR_TO]->() RETURN count(r)'))).toBeGreaterThan(10);
    expect(await lab.value('MATCH ()-[r:DISCOVERED]->() RETURN count(r)')).toBe(0);
    const preceded = run
      .records('quarantine')
      .filter((record) => String(record['id']).includes('PRECEDED_BY'));
    expect(preceded.length).toBeGreaterThan(0);
    expect(run.summary.validation.every(({ status }) => status === 'pass')).toBe(true);
    // SIMILAR_TO comes back in both directions, and no more often than it was.
    const now = await lab.value('MATCH ()-[r:SIMILAR_TO]->() RETURN count(r)');
    expect(
      await lab.query('MATCH (a)-[r:SIMILAR_TO]->(b) WHERE NOT (b)-[:SIMILAR_TO]->(a) RETURN count(r)'),
    ).toEqual([[0]]);
    expect(now).toBeLessThanOrEqual(before.relationships);
  });

  it('keeps what the live graph holds all the same', async () => {
    await lab.query('MATCH (m:Memory) DETACH DELETE m');
    const run = await lab.recover(['--backup', 'none']);
    expect(run.exitCode).toBe(3);
    expect(await lab.value('MATCH (e:Entity) RETURN count(e) > 5')).toBe('true');
  });
});

/** Writes what the test added to the graph into the backup too. */
async function backupNow(): Promise<void> {
  const { nodes, relationships } = await lab.contents();
  lab.editBackup((backup) => {
    for (const { internalId, labels, properties } of nodes) {
      const old = backup.nodes.find((candidate) => candidate.id === internalId);
      if (old === undefined) backup.nodes.push({ id: internalId, labels, properties });
      else old.labels = labels;
    }
    for (const { source, target, type, properties } of relationships) {
      if (!['ABOUT', 'TWIN_OF'].includes(type)) continue;
      backup.relationships.push({ source_id: source, type, target_id: target, properties });
    }
  });
}
