import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { GRAPH, Lab, payloadOf, TIMESTAMP, type CommandRun } from '../support/lab.js';

const A = '0a000000-0000-4000-8000-000000000001';
const B = '0a000000-0000-4000-8000-000000000002';
const C = '0a000000-0000-4000-8000-000000000003';

let lab: Lab;
let before: GraphSnapshot;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
  before = await lab.snapshot();
});

afterAll(async () => {
  await before.close();
  await lab.stop();
});

beforeEach(() => lab.reset());

/** The graph is gone but for a few nodes: what a failed run must leave as it is. */
async function leaveRest(): Promise<GraphSnapshot> {
  await lab.query('MATCH (m:Memory) DETACH DELETE m');
  return lab.snapshot();
}

interface Ending {
  exitCode: number;
  code: string;
  message: RegExp;
  hint: RegExp;
}

function expectFailure(run: CommandRun, { exitCode, code, message, hint }: Ending): void {
  expect(run.summary.failure).toMatchObject({ code });
  expect(run.summary.failure?.message).toMatch(message);
  expect(run.summary.failure?.hint).toMatch(hint);
  expect(run.exitCode).toBe(exitCode);
  expect(run.summary.exitCode).toBe(exitCode);
  expect(run.summary.restored).toEqual({ memories: 0, nodes: 0, relationships: 0, vectors: 0 });
}

/** Runs a recovery that must fail, and proves that nothing was changed by it. */
async function failing(
  args: string[],
  ending: Ending,
  env: Record<string, string> = {},
): Promise<CommandRun> {
  const rest = await leaveRest();
  const isThere = await lab.qdrant<{ exists: boolean }>('GET', `/collections/${GRAPH}/exists`);
  const points = isThere.exists ? await lab.points() : null;
  try {
    const run = await lab.recover(args, { env });
    expectFailure(run, ending);
    expect(await lab.leftovers()).toEqual([]);
    expect(await lab.differences(rest)).toEqual([]);
    if (points !== null) expect(await lab.points()).toBe(points);
    return run;
  } finally {
    await rest.close();
  }
}

describe('Qdrant', () => {
  it('empty', async () => {
    await lab.damage('vectors-empty');
    await failing(['--backup', 'none'], {
      exitCode: 4,
      code: 'no-plan-applies',
      message: /the vectors are empty/,
      hint: /Nothing was changed[^]*fresh-start/,
    });
    const named = await lab.recover(['rebuild-graph']);
    expect(named.summary.failure).toMatchObject({ code: 'plan-not-applicable' });
    expect(named.summary.failure?.message).toContain('the vectors are empty');
    expect(named.exitCode).toBe(4);
  });

  it('with vectors only: says that this path cannot work, and which can', async () => {
    await lab.qdrant('POST', `/collections/${GRAPH}/points/payload/clear?wait=true`, { filter: {} });
    const run = await failing(['--backup', 'none'], {
      exitCode: 4,
      code: 'no-plan-applies',
      message: /carry no payloads/,
      hint: /backup/,
    });
    expect(run.summary.failure?.message).toMatch(/backup can/);
    expect((await lab.run(['recover', '--json', '--dry-run'])).summary.plan).toBe('restore-backup');
    const codes = run.events.flatMap((event) => (event.type === 'finding' ? [event.finding.code] : []));
    expect(codes).toContain('payloads-missing');
  });

  it('without the collection', async () => {
    await lab.damage('vectors-lost');
    await failing(['--backup', 'none'], {
      exitCode: 4,
      code: 'no-plan-applies',
      message: /the vectors are lost/,
      hint: /Nothing was changed/,
    });
    // For the tests after this one.
    await lab.fill({ memories: 120 });
    await lab.keep();
  });
});

describe('the confirmation', () => {
  it('is asked for where it is missing or names something else', async () => {
    const rest = await leaveRest();
    const missing = await lab.run(['recover', '--json']);
    expectFailure(missing, {
      exitCode: 2,
      code: 'not-confirmed',
      message: /no terminal to ask in/,
      hint: /--confirm memories/,
    });
    const wrong = await lab.run(['recover', '--json', '--confirm', 'memory']);
    expectFailure(wrong, {
      exitCode: 2,
      code: 'not-confirmed',
      message: /--confirm memory does not name/,
      hint: /--confirm memories/,
    });
    expect(await lab.differences(rest)).toEqual([]);
    await rest.close();
  });

  it('is not needed for a dry run, which changes nothing and counts the same', async () => {
    const rest = await leaveRest();
    const points = await lab.points();
    const dry = await lab.run(['recover', '--json', '--dry-run']);
    expect(dry.summary).toMatchObject({
      outcome: 'dry-run',
      exitCode: 0,
      plan: 'rebuild-graph',
      quarantined: 0,
    });
    const details = dry.events.flatMap((event) =>
      event.type === 'step.finished' ? [`${event.step} ${event.outcome}: ${event.detail}`] : [],
    );
    expect(details).toHaveLength(9);
    expect(details.filter((detail) => detail.includes('skipped: dry run'))).toHaveLength(5);
    expect(await lab.leftovers()).toEqual([]);
    expect(await lab.differences(rest)).toEqual([]);
    expect(await lab.points()).toBe(points);
    const real = await lab.recover();
    const realDetails = real.events.flatMap((event) =>
      event.type === 'step.finished' ? [`${event.step} ${event.outcome}: ${event.detail}`] : [],
    );
    expect(realDetails.slice(1, 4)).toEqual(details.slice(1, 4));
    await rest.close();
  });
});

describe('the plan', () => {
  it('that does not exist is named with those that do', async () => {
    await failing(['rebuild-everything'], {
      exitCode: 2,
      code: 'plan-unknown',
      message: /rebuild-everything/,
      hint: /healthy.*rebuild-graph|rebuild-graph.*healthy/,
    });
  });

  it('mends an intact graph only when it is named: then lost relationships come back', async () => {
    await lab.query('MATCH ()-[r]->() DELETE r');
    const healthy = await lab.recover();
    expect(healthy.summary).toMatchObject({ plan: 'healthy', outcome: 'validation-failed', exitCode: 3 });
    const mended = await lab.recover(['rebuild-graph']);
    expect(mended.summary).toMatchObject({ plan: 'rebuild-graph', outcome: 'recovered', exitCode: 0 });
    expect(await lab.differences(before)).toEqual([]);
    const kept = `{${GRAPH}}:before:${mended.summary.run}`;
    expect(await lab.leftovers()).toEqual([kept]);
  });

  it('can come from a folder outside the working folder', async () => {
    const folder = join(lab.folder, 'own-plans');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'own.yaml'), 'name: own\n');
    const rest = await leaveRest();
    const run = await lab.recover(['--plans', folder]);
    expectFailure(run, {
      exitCode: 2,
      code: 'plan-invalid',
      message: /own\.yaml:1:\d+/,
      hint: /Mend the file/,
    });
    expect(await lab.differences(rest)).toEqual([]);
    await rest.close();
  });
});

describe('the folder of the run', () => {
  it('that cannot be made stops the run before it looks at anything', async () => {
    writeFileSync(join(lab.folder, 'a-file'), '');
    const env = { LIFEBOAT_STATE: join(lab.folder, 'a-file') };
    await failing(
      [],
      { exitCode: 1, code: 'run-folder', message: /write to the folder of the run/, hint: /LIFEBOAT_STATE/ },
      env,
    );
  });
});

describe('the backup', () => {
  const broken: [string, (good: Buffer) => Buffer, RegExp][] = [
    ['cut off in the middle', (good) => good.subarray(0, Math.floor(good.length / 2)), /ends early|stops/],
    ['of no bytes', () => Buffer.alloc(0), /empty/],
    ['with one bit flipped', flipped, /damaged|checksum/],
    ['that is not gzip', () => Buffer.from('{"nodes": []}'.padEnd(200)), /plain JSON/],
    ['that is not JSON', () => gzipSync('hello '.repeat(100)), /JSON object/],
    [
      'of another graph',
      (good) =>
        gzipSync(gunzipSync(good).toString().replace('"graph_name": "memories"', '"graph_name": "other"')),
      /backup of the graph "other"/,
    ],
  ];

  it.each(broken)('%s, when it is asked for: stops', async (_, damage, reason) => {
    lab.writeBackup('graph', damage(lab.backupBytes('graph')));
    await failing(['--backup', TIMESTAMP], {
      exitCode: 4,
      code: 'backup-broken',
      message: reason,
      hint: /--backup latest|--backup none/,
    });
  });

  it.each(broken)(
    '%s, when it is the newest: the one before it is taken, and that is said',
    async (_, damage, reason) => {
      const good = lab.backupBytes('graph');
      lab.writeBackup('graph', good, '20261031_030000');
      lab.writeBackup('vectors', lab.backupBytes('vectors'), '20261031_030000');
      lab.writeBackup('graph', damage(good));
      await lab.damage('graph-lost');
      const run = await lab.recover();
      expect(run.summary).toMatchObject({
        outcome: 'recovered',
        exitCode: 0,
        assessment: { backups: { state: 'degraded', newest: '20261031_030000', pairs: 2 } },
      });
      const findings = run.events.flatMap((event) =>
        event.type === 'finding' && event.finding.code === 'backup-broken' ? [event.finding.message] : [],
      );
      expect(findings).toEqual([expect.stringMatching(reason)]);
      expect(await lab.differences(before)).toEqual([]);
    },
  );

  it('that nobody knows is named with those that there are', async () => {
    await failing(['--backup', '20200101_000000'], {
      exitCode: 2,
      code: 'backup-unknown',
      message: /20200101_000000/,
      hint: new RegExp(TIMESTAMP),
    });
    await expect(lab.recover(['--backup', 'yesterday'])).rejects.toThrow(/neither a timestamp of the form/);
  });

  it('from the future is passed over, and used when it is asked for', async () => {
    lab.writeBackup('graph', lab.backupBytes('graph'), '20990101_000000');
    lab.writeBackup('vectors', lab.backupBytes('vectors'), '20990101_000000');
    await lab.damage('graph-lost');
    const run = await lab.recover();
    expect(run.summary.assessment?.backups.newest).toBe(TIMESTAMP);
    expect(
      run.events.some((event) => event.type === 'finding' && event.finding.code === 'backup-from-future'),
    ).toBe(true);
    await lab.damage('graph-lost');
    const asked = await lab.recover(['--backup', '20990101_000000']);
    expect(asked.summary).toMatchObject({
      outcome: 'recovered',
      exitCode: 0,
      assessment: { backups: { newest: '20990101_000000' } },
    });
    expect(await lab.differences(before)).toEqual([]);
  });

  it('with broken JSON deep inside sound gzip stops a run that named it, before anything is staged', async () => {
    const text = gunzipSync(lab.backupBytes('graph')).toString();
    const middle = text.lastIndexOf('"source_id"');
    lab.writeBackup('graph', gzipSync(`${text.slice(0, middle)}]]}${text.slice(middle)}`));
    await failing(['--backup', TIMESTAMP], {
      exitCode: 4,
      code: 'backup-unsound',
      message: /at byte \d+ of the uncompressed JSON/,
      hint: /no other backup here.*--backup none/,
    });
  });

  it('with other numbers of records than it says stops a run that named it', async () => {
    const text = gunzipSync(lab.backupBytes('graph')).toString();
    lab.writeBackup('graph', gzipSync(text.replace(/"node_count": \d+/, '"node_count": 5')));
    await failing(['--backup', TIMESTAMP], {
      exitCode: 4,
      code: 'backup-unsound',
      message: /says that it holds 5 nodes/,
      hint: /--backup/,
    });
  });

  it('with NaN, infinity and integers of 64 bits brings them back', async () => {
    const text = gunzipSync(lab.backupBytes('graph')).toString();
    const odd =
      '"odd_nan": NaN, "odd_infinity": -Infinity, "odd_big": 9223372036854775807, "odd_list": [1, 2.0, "x"], "odd_null": null, ';
    lab.writeBackup(
      'graph',
      gzipSync(text.replace(/("labels": \[\s*"Memory"\s*\],\s*"properties": \{)/, `$1${odd}`)),
    );
    await lab.damage('graph-lost');
    const run = await lab.recover();
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
    const [row] = await lab.query(
      'MATCH (m:Memory) WHERE m.odd_big IS NOT NULL RETURN toString(m.odd_nan), toString(m.odd_infinity), toString(m.odd_big), toJSON(m.odd_list), m.odd_null IS NULL',
    );
    expect(row?.map(String)).toEqual(
      [
        expect.stringMatching(/nan/i),
        expect.stringMatching(/-inf/i),
        '9223372036854775807',
        '[1, 2, "x"]',
        'true',
      ].map((value) => value as string),
    );
  });

  it('with names and values that no graph can hold keeps the rest of each record', async () => {
    let id = '';
    lab.editBackup((backup) => {
      const memories = backup.nodes.filter(({ labels }) => labels.includes('Memory'));
      const [first, second, third] = memories;
      if (first === undefined || second === undefined || third === undefined) throw new Error('too few');
      id = first.properties['id'] as string;
      first.labels.push('Bad`Label', 'nul\0label');
      first.properties['bad`name'] = 1;
      first.properties['a_map'] = { k: 1 };
      first.properties['with_null'] = [1, null];
      backup.nodes.push(
        { id: 900_001, labels: ['Only`Bad'], properties: { id: 'x' } },
        { id: 900_002, labels: [], properties: { id: 'y' } },
      );
      backup.relationships.push(
        { source_id: first.id, type: 'BAD`TYPE', target_id: second.id, properties: {} },
        { source_id: first.id, type: 'FINE', target_id: second.id, properties: { 'bad`name': 1, good: 2 } },
        { source_id: first.id, type: 'TO_NOBODY', target_id: 900_001, properties: {} },
        { source_id: first.id, type: 'TO_MISSING', target_id: 900_009, properties: {} },
      );
    });
    await lab.damage('graph-lost');
    const run = await lab.recover();
    expect(run.exitCode).toBe(3);
    expect(run.summary).toMatchObject({ outcome: 'recovered-with-losses', quarantined: 11 });
    const kinds = run
      .records('quarantine')
      .map(({ kind }) => kind)
      .sort();
    expect(kinds).toEqual([
      'node',
      'node',
      'property',
      'property',
      'property',
      'property',
      'property',
      'property',
      'relationship',
      'relationship',
      'relationship',
    ]);
    expect(await lab.query(`MATCH (m {id: '${id}'})-[r:FINE]->() RETURN labels(m), r.good`)).toEqual([
      ['[Memory]', 2],
    ]);
    // Everything else is as it was, and what was refused is listed with its value.
    expect((await lab.differences(before)).slice(1)).toEqual([expect.stringContaining('relationship-extra')]);
    expect(run.records('quarantine')).toContainEqual(
      expect.objectContaining({ kind: 'property', id: `${id} bad\`name`, record: 1 }),
    );
  });
});

describe('payloads', () => {
  it('damaged ones are salvaged by rule, each listed; what cannot be is put aside with its reason', async () => {
    const id = (n: number): string => `0c000000-0000-4000-8000-0000000000${String(n).padStart(2, '0')}`;
    const good = payloadOf('a good one');
    await lab.upsert([
      { id: id(1), payload: { ...good, tags: 'alpha, beta' } },
      { id: id(2), payload: { ...good, type: undefined } },
      { id: id(3), payload: { ...good, type: 'str' } },
      { id: id(4), payload: { ...good, type: 'boolean' } },
      { id: id(5), payload: { ...good, type: 42 } },
      { id: id(6), payload: { ...good, importance: '0.75', confidence: 'high' } },
      { id: id(7), payload: { ...good, metadata: '{"a": 1.0}' } },
      { id: id(8), payload: { ...good, metadata: ['x'] } },
      {
        id: id(9),
        payload: { ...good, content: 'with \u0000 inside', tags: ['C:\\temp', 'a\\nb', 'say "x"', 'x","y'] },
      },
      { id: id(10), payload: { ...good, content: null } },
      { id: id(11), payload: { ...good, content: { nested: true } } },
      { id: id(12), payload: null },
      {
        id: id(13),
        payload:
          '{"content":"numbers","importance":1e-5,"confidence":9007199254740993,"relevance_score":1.7976931348623157e308,"timestamp":"2026-11-01T10:00:00+00:00","type":"int"}',
      },
      { id: id(14), payload: { ...good, content: '' } },
      { id: id(15), payload: { ...good, t_valid: 5, archived: 'true' } },
    ]);
    await lab.damage('graph-lost');
    const run = await lab.recover(['--backup', 'none']);
    expect(run.summary.failure).toBeUndefined();
    expect(run.summary).toMatchObject({ outcome: 'recovered-with-losses', exitCode: 3 });
    const salvaged = run
      .records('salvage')
      .map((record) => `${String(record['id']).slice(-2)} ${String(record['field'])}`);
    expect(salvaged).toEqual(
      expect.arrayContaining([
        '01 tags',
        '02 type',
        '03 type',
        '04 type',
        '05 type',
        '06 importance',
        '06 confidence',
        '07 metadata',
        '08 metadata',
        '09 content',
        '13 type',
        '15 t_valid',
        '15 archived',
      ]),
    );
    const aside = run.records('quarantine').filter(({ kind }) => kind === 'memory');
    expect(aside.map((record) => String(record['id']).slice(-2))).toEqual(['10', '11', '12']);
    expect(aside.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('content is null'),
      expect.stringContaining('content is an object'),
      expect.stringContaining('content is missing'),
    ]);
    expect(await lab.node(id(1))).toMatchObject({ tags: ['alpha', 'beta'], tag_prefixes: ['alpha', 'beta'] });
    expect(await lab.node(id(3))).toMatchObject({ type: 'Memory' });
    expect(await lab.node(id(6))).toMatchObject({ importance: 0.75, confidence: 0.5 });
    expect(await lab.node(id(7))).toMatchObject({ metadata: '{"a": 1.0}' });
    expect(await lab.node(id(9))).toMatchObject({
      content: 'with  inside',
      tags: ['C:\\temp', 'a\\nb', 'say "x"', 'x","y'],
    });
    expect(await lab.node(id(13))).toMatchObject({ importance: 0.00001, confidence: '9007199254740993' });
    // The three that were put aside do not make the second check fail: they are known.
    expect(run.summary.validation[1]).toMatchObject({ status: 'pass' });
    expect(run.summary.validation[1]?.actual).toContain('3 points in quarantine');
    // Later, a validation finds them, and does not send anybody in a circle.
    const later = await lab.run(['validate', '--json']);
    const check = later.events.find((event) => event.type === 'check' && event.check.step === 2);
    expect(check).toMatchObject({
      check: {
        status: 'fail',
        actual: expect.stringContaining('3 points without a memory') as string,
        fix: expect.stringContaining('no content') as string,
      },
    });
  });

  it('with odd ids, equal contents and 5 MB come back', async () => {
    const huge = 'ä'.repeat(2_500_000);
    await lab.upsert([
      { id: 7, payload: payloadOf('an integer id') },
      { id: A.toUpperCase(), payload: payloadOf('twin') },
      { id: B, payload: payloadOf('twin') },
      { id: C, payload: payloadOf(huge, { metadata: { more: 'x'.repeat(1_000_000) } }) },
    ]);
    await lab.damage('graph-lost');
    const run = await lab.recover();
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0, quarantined: 0 });
    const notices = run.events
      .flatMap((event) => (event.type === 'notice' ? [event.message] : []))
      .join('\n');
    expect(notices).toMatch(/1 points have an id that is an integer/);
    expect(notices).toMatch(/share their content/);
    expect(await lab.node('7')).toMatchObject({ content: 'an integer id' });
    expect(await lab.node(A)).toMatchObject({ content: 'twin' });
    expect(await lab.node(B)).toMatchObject({ content: 'twin' });
    expect(String((await lab.node(C))['content'])).toHaveLength(huge.length);
  });
});

describe('the live graph', () => {
  it('with values that cannot be copied names each, and carries the rest over', async () => {
    await lab.query('MATCH (m:Memory) DETACH DELETE m');
    await lab.query(
      "CREATE (:Place {id: 'here', name: 'x', at: point({latitude: 1.0, longitude: 2.0}), big: 9007199254740993, day: date('2026-01-01')})",
    );
    const run = await lab.recover();
    expect(run.exitCode).toBe(3);
    expect(run.records('quarantine').map(({ id }) => id)).toEqual(['here at', 'here day']);
    expect(await lab.query('MATCH (p:Place) RETURN toString(p.big), p.name, p.at IS NULL')).toEqual([
      ['9007199254740993', 'x', 'true'],
    ]);
  });

  it('under a key that is not a graph is put aside, not overwritten', async () => {
    await lab.redis('DEL', GRAPH);
    await lab.redis('SET', GRAPH, 'precious');
    const run = await lab.recover();
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
    expect(await lab.redis('GET', `{${GRAPH}}:before:${run.summary.run}`)).toBe('precious');
    expect(await lab.differences(before)).toEqual([]);
  });
});

function flipped(good: Buffer): Buffer {
  const copy = Buffer.from(good);
  const middle = Math.floor(copy.length / 2);
  copy[middle] = (copy[middle] ?? 0) ^ 0x10;
  return copy;
}
