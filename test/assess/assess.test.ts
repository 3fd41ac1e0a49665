import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Assessment, Finding } from '../../src/assess/types.js';
import { GRAPH, Lab, payloadOf, TIMESTAMP, type CommandRun } from '../support/lab.js';
import { officialImage } from '../support/engines.js';
import { startProxy } from '../support/proxy.js';

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start({ moduleArgs: officialImage });
  await lab.fill({ memories: 150 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

const assess = (env: Record<string, string> = {}): Promise<CommandRun> =>
  lab.run(['assess', '--json'], { env });

function found(run: CommandRun): { assessment: Assessment; findings: Map<string, Finding> } {
  const event = run.events.find((candidate) => candidate.type === 'assessment');
  if (event?.type !== 'assessment') throw new Error('there is no assessment');
  const findings = run.events.flatMap((candidate) =>
    candidate.type === 'finding' ? [candidate.finding] : [],
  );
  return {
    assessment: event.assessment,
    findings: new Map(findings.map((finding) => [finding.code, finding])),
  };
}

describe('assess', () => {
  it('only ever reads, whatever it finds; so does validate', async () => {
    const { host, port } = lab.engines.graph;
    const graph = await startProxy({ host, port });
    const { hostname, port: vectorPort } = new URL(lab.engines.vectors.url);
    const vectors = await startProxy({ host: hostname, port: Number(vectorPort) });
    const monitor = await new Redis({ host, port }).monitor();
    const commands = new Set<string>();
    monitor.on('monitor', (_: string, [name = '']: string[]) => commands.add(name.toUpperCase()));
    const env = { FALKORDB_PORT: String(graph.port), QDRANT_URL: `http://${vectors.host}:${vectors.port}` };
    const before = { keys: await lab.keys(), points: await lab.points() };
    await assess(env);
    await lab.run(['validate', '--json'], { env });
    await lab.damage('graph-lost');
    await assess(env);
    await lab.run(['validate', '--json'], { env });
    await lab.run(['recover', '--json', '--dry-run'], { env });
    monitor.disconnect();
    const allowed = new Set([
      'PING',
      'INFO',
      'CONFIG',
      'MODULE',
      'TYPE',
      'AUTH',
      'HELLO',
      'CLIENT',
      // A dry run looks for writers: a WATCH, and a MULTI of one PING, tell whether the key was written to.
      'WATCH',
      'UNWATCH',
      'MULTI',
      'EXEC',
      'GRAPH.LIST',
      'GRAPH.CONFIG',
      'GRAPH.RO_QUERY',
    ]);
    const asked = graph.sent().match(/\r\n(?:graph\.[a-z_]+|[A-Za-z]{3,9})\r\n/gi)?.length ?? 0;
    expect(asked).toBeGreaterThan(10);
    // The test's own commands are seen as well.
    const own = new Set([
      'DEL',
      'COPY',
      'KEYS',
      'EXISTS',
      'GRAPH.COPY',
      'GRAPH.DELETE',
      'GRAPH.QUERY',
      'MONITOR',
      'RESTORE',
      'DUMP',
      'UNLINK',
    ]);
    expect([...commands].filter((name) => !allowed.has(name) && !own.has(name))).toEqual([]);
    for (const name of [
      'GRAPH.QUERY',
      'GRAPH.BULK',
      'GRAPH.DELETE',
      'GRAPH.COPY',
      'DEL',
      'RENAME',
      'SET',
      'BGREWRITEAOF',
    ]) {
      expect(graph.sent().toUpperCase().includes(`\r\n${name}\r\n`), name).toBe(false);
    }
    expect(graph.sent()).not.toMatch(/config\r\n\$\d+\r\nset/i);
    const requests = [...new Set(vectors.sent().match(/^(?:GET|POST|PUT|PATCH|DELETE) \S+/gm))].sort();
    const reads =
      /^(?:GET \/(?:collections\/memories(?:\/exists)?)?|POST \/collections\/memories\/points(?:\/(?:scroll|count|query))?)$/;
    expect(requests.filter((request) => !reads.test(request))).toEqual([]);
    expect(requests.length).toBeGreaterThan(4);
    expect((await lab.keys()).filter((key) => !key.startsWith('telemetry'))).toEqual(
      before.keys.filter((key) => key !== GRAPH && !key.startsWith('telemetry')),
    );
    expect(await lab.points()).toBe(before.points);
    await graph.stop();
    await vectors.stop();
  });

  it('counts what is there, by label, type and relationship', async () => {
    const run = await assess();
    expect(run.exitCode).toBe(0);
    const { graph, vectors, backups } = found(run).assessment;
    const count = async (query: string): Promise<Record<string, number>> =>
      Object.fromEntries(
        (await lab.query(query)).map(([name, number]) => [
          String(name)
            .replace(/^\[|\]$/g, '')
            .replace(', ', ':'),
          Number(number),
        ]),
      );
    expect(graph).toMatchObject({ state: 'intact', resultCap: 10_000, queryTimeoutMs: 1_000, leftovers: [] });
    expect(graph.byLabel).toEqual(await count('MATCH (n) RETURN labels(n), count(n)'));
    expect(graph.byRelationship).toEqual(await count('MATCH ()-[r]->() RETURN type(r), count(r)'));
    expect(graph.byType).toEqual(await count('MATCH (m:Memory) RETURN m.type, count(m)'));
    expect(graph.memories).toBe(await lab.value('MATCH (m:Memory) RETURN count(m)'));
    expect(vectors).toMatchObject({ state: 'intact', size: 8, distance: 'Cosine', payloadsMissing: false });
    expect(vectors.points).toBe(148);
    expect(backups).toMatchObject({
      state: 'intact',
      newest: {
        timestamp: TIMESTAMP,
        graphVerdict: { status: 'verified' },
        vectorsVerdict: { status: 'sound' },
      },
    });
    expect(backups.newest?.counts).toEqual({
      memories: graph.memories,
      nodes: graph.nodes,
      relationships: graph.relationships,
    });
  });

  it.each([
    ['graph-lost', { graph: 'lost', vectors: 'intact' }, 'graph-lost'],
    ['graph-empty', { graph: 'empty', vectors: 'intact' }, 'graph-empty'],
    ['vectors-empty', { graph: 'intact', vectors: 'empty' }, 'collection-empty'],
    ['drift-60', { graph: 'degraded', vectors: 'intact' }, 'graph-behind'],
  ])('tells the states apart: %s', async (scenario, states, code) => {
    await lab.damage(scenario);
    const run = await assess();
    expect(run.exitCode).toBe(3);
    const { assessment, findings } = found(run);
    expect({ graph: assessment.graph.state, vectors: assessment.vectors.state }).toEqual(states);
    expect(findings.get(code)).toMatchObject({ severity: 'problem' });
  });

  it('tells drift in either direction, and what is no drift', async () => {
    await lab.damage('drift-20');
    const drifted = found(await assess());
    expect(drifted.assessment.graph.state).toBe('intact');
    await lab.reset();
    // Excluded types have no vector, and count on neither side.
    await lab.upsert([
      { id: '0a000000-0000-4000-8000-000000000001', payload: payloadOf('x', { type: 'MetaPattern' }) },
    ]);
    const { assessment } = found(await assess());
    expect(assessment.vectors).toMatchObject({ points: 149, excludedPoints: 1 });
  });

  it('finds the other graphs where the one asked for is not there', async () => {
    const run = await assess({ FALKORDB_GRAPH: 'memory' });
    const { findings } = found(run);
    expect(findings.get('graph-lost')?.action).toContain(GRAPH);
    expect(run.exitCode).toBe(3);
  });

  it('says how the server keeps its data, what cuts results, and what earlier runs left', async () => {
    await lab.redis('GRAPH.COPY', GRAPH, `{${GRAPH}}:lifeboat:run-1`);
    await lab.redis('GRAPH.COPY', GRAPH, `{${GRAPH}}:before:run-1`);
    const usual = found(await assess()).findings;
    expect(usual.get('snapshots-only')).toMatchObject({ severity: 'info' });
    expect(usual.get('result-cap')?.message).toContain('10000');
    expect(usual.get('staging-left')).toMatchObject({
      severity: 'warning',
      action: expect.stringContaining('lifeboat runs resume run-1') as string,
    });
    expect(usual.get('replaced-graphs-kept')).toMatchObject({ severity: 'info' });
    await lab.redis('CONFIG', 'SET', 'save', '');
    expect(found(await assess()).findings.get('no-persistence')).toMatchObject({
      severity: 'warning',
      action: expect.stringContaining('appendonly yes') as string,
    });
    await lab.redis('CONFIG', 'SET', 'save', '60 1');
  });

  it('looks past broken backups to the newest good one, and says so of each', async () => {
    const [graph, vectors] = [lab.backupBytes('graph'), lab.backupBytes('vectors')];
    lab.writeBackup('graph', graph.subarray(0, 100), '20261102_030000');
    lab.writeBackup('vectors', vectors, '20261102_030000');
    lab.writeBackup('vectors', vectors, '20261103_030000');
    lab.writeBackup('graph', graph, '20990101_000000');
    lab.writeBackup('vectors', vectors, '20990101_000000');
    const run = await assess();
    const { backups } = found(run).assessment;
    expect(backups).toMatchObject({ state: 'degraded', newest: { timestamp: TIMESTAMP } });
    expect(backups.pairs.map(({ timestamp }) => timestamp)).toEqual([
      '20990101_000000',
      '20261103_030000',
      '20261102_030000',
      TIMESTAMP,
    ]);
    const messages = run.events.flatMap((event) =>
      event.type === 'finding' && event.finding.code.startsWith('backup-') ? [event.finding.message] : [],
    );
    expect(messages).toEqual([
      expect.stringMatching(/20990101_000000 is from the future/),
      expect.stringMatching(/20261103_030000 has no graph half/),
      expect.stringMatching(/20261102_030000 has a graph half that cannot be used: it ends early/),
    ]);
  });

  it('says where there is no backup, and where the folder is not there', async () => {
    const run = await assess({ AUTOMEM_BACKUP_DIR: `${lab.folder}/nowhere` });
    expect(found(run).findings.get('no-backup')).toMatchObject({
      severity: 'warning',
      action: expect.stringContaining('AUTOMEM_BACKUP_DIR') as string,
    });
    expect(found(run).assessment.backups.state).toBe('empty');
    // Both stores are intact all the same.
    expect(run.exitCode).toBe(0);
  });
});

describe('a server that limits queries', () => {
  it('is never asked for more time than it grants', async () => {
    const strict = await Lab.start({ moduleArgs: ['TIMEOUT_DEFAULT', '900', 'TIMEOUT_MAX', '2000'] });
    try {
      await strict.fill({ memories: 60 });
      const before = await strict.snapshot();
      await strict.damage('graph-empty');
      const run = await strict.recover();
      expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
      expect(await strict.differences(before)).toEqual([]);
      await before.close();
    } finally {
      await strict.stop();
    }
  });
});
