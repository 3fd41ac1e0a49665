import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { graphFailure } from '../../src/stores/graph/connection.js';
import { GRAPH, Lab, payloadOf, type CommandRun, type RunOptions } from '../support/lab.js';
import { startProxy, type Proxy } from '../support/proxy.js';

const NEW = '0a000000-0000-4000-8000-000000000001';
const PASSWORD = 'graph-geheim "7"';
const API_KEY = 'vector-geheim-8';

let lab: Lab;
let rest: GraphSnapshot;
let points: string;
let graph: Proxy;
let vectors: Proxy;

beforeAll(async () => {
  lab = await Lab.start({ aof: true, password: PASSWORD, apiKey: API_KEY });
  await lab.fill({ memories: 150 });
  await lab.keep();
});

afterAll(async () => {
  await lab.stop();
});

beforeEach(async () => {
  await lab.reset();
  // What is left after the damage, and must be left after a failed run.
  await lab.query('MATCH (m:Memory) DETACH DELETE m');
  rest = await lab.snapshot();
  points = await lab.points();
  graph = await startProxy(lab.engines.graph);
  const { hostname, port } = new URL(lab.engines.vectors.url);
  vectors = await startProxy({ host: hostname, port: Number(port) });
});

afterEach(async () => {
  await graph.stop();
  await vectors.stop();
  await rest.close();
});

/** Through the proxies. */
function recover(args: string[] = [], options: RunOptions = {}): Promise<CommandRun> {
  const env = {
    FALKORDB_PORT: String(graph.port),
    QDRANT_URL: `http://${vectors.host}:${vectors.port}`,
    ...options.env,
  };
  return lab.recover(args, { ...options, env });
}

async function expectUntouched(): Promise<void> {
  expect(await lab.leftovers()).toEqual([]);
  expect(await lab.differences(rest)).toEqual([]);
  expect(await lab.points()).toBe(points);
}

const expectFailed = (run: CommandRun, exitCode: number, code: unknown, hint: RegExp): void => {
  expect(run.summary.failure).toMatchObject({ code });
  expect(run.summary.failure?.hint).toMatch(hint);
  expect([run.exitCode, run.summary.exitCode]).toEqual([exitCode, exitCode]);
};

describe('a store that cannot be used', () => {
  const graphCases: [string, Record<string, string | undefined>, string, RegExp][] = [
    [
      'FalkorDB with a wrong password',
      { FALKORDB_PASSWORD: 'wrong' },
      'wrong-credentials',
      /FALKORDB_PASSWORD/,
    ],
    [
      'FalkorDB without a password',
      { FALKORDB_PASSWORD: undefined },
      'wrong-credentials',
      /FALKORDB_PASSWORD/,
    ],
    ['FalkorDB where nothing listens', { FALKORDB_PORT: '1' }, 'refused', /Start FalkorDB/],
    ['Qdrant with a wrong key', { QDRANT_API_KEY: 'wrong' }, 'wrong-credentials', /QDRANT_API_KEY/],
    ['Qdrant without a key', { QDRANT_API_KEY: undefined }, 'wrong-credentials', /QDRANT_API_KEY/],
    ['Qdrant where nothing listens', { QDRANT_URL: 'http://127.0.0.1:1' }, 'refused', /Start Qdrant/],
  ];

  it.each(graphCases)(
    '%s: exit 10, and an unreachable store is not an empty one',
    async (_, env, code, hint) => {
      const run = await recover([], { env });
      expectFailed(run, 10, code, hint);
      expect(run.summary.failure?.hint).toMatch(/not an empty one/);
      await expectUntouched();
    },
  );

  it('a user who may only read: stops when it may not write, everything as it was', async () => {
    await lab.redis(
      'ACL',
      'SETUSER',
      'reader',
      'on',
      '>reader-pw',
      '~*',
      '+@read',
      '+@connection',
      '+@fast',
      '+@keyspace',
      '+info',
      '+graph.ro_query',
      '+graph.list',
      '-@write',
      '-@dangerous',
    );
    const run = await recover([], { env: { FALKORDB_USERNAME: 'reader', FALKORDB_PASSWORD: 'reader-pw' } });
    expectFailed(run, 1, 'forbidden', /FALKORDB_USERNAME/);
    expect(run.stdout).not.toContain('reader-pw');
    await lab.redis('ACL', 'DELUSER', 'reader');
    await expectUntouched();
  });

  it("a user who may not even list the graphs: exit 10 with the server's own word", async () => {
    await lab.redis('ACL', 'SETUSER', 'nobody', 'on', '>nobody-pw', '~*', '+ping');
    const run = await recover([], { env: { FALKORDB_USERNAME: 'nobody', FALKORDB_PASSWORD: 'nobody-pw' } });
    expectFailed(run, 10, 'other', /right to run this command/);
    await lab.redis('ACL', 'DELUSER', 'nobody');
    await expectUntouched();
  });

  it('a read-only replica: named, and nothing is tried', async () => {
    const { host } = lab.engines.graph;
    await lab.redis('REPLICAOF', host, '1');
    try {
      const run = await recover();
      expectFailed(run, 1, 'read-only', /primary/);
      const named = await recover(['rebuild-graph']);
      expectFailed(named, 1, 'read-only', /primary/);
      expect(
        run.events.some((event) => event.type === 'finding' && event.finding.code === 'read-only-replica'),
      ).toBe(true);
    } finally {
      await lab.redis('REPLICAOF', 'NO', 'ONE');
    }
    await expectUntouched();
  });

  it('a server without memory for a second graph: said before the first change, or when it says so itself', async () => {
    const used = Number(/used_memory:(\d+)/.exec(String(await lab.redis('INFO', 'memory')))?.[1]);
    try {
      await lab.redis('CONFIG', 'SET', 'maxmemory', String(used + 50_000));
      expectFailed(await recover(), 1, 'out-of-memory', /maxmemory/);
      expectFailed(await recover(['--dry-run']), 1, 'out-of-memory', /maxmemory/);
      // No second graph is made by a plan that leaves the graph alone.
      const vectorsOnly = await recover(['restore-backup', '--only', 'vectors', '--dry-run']);
      expect([vectorsOnly.summary.failure, vectorsOnly.summary.outcome]).toEqual([undefined, 'dry-run']);
      // As for a user who may not ask: the server alone knows, and refuses to write.
      await lab.redis('ACL', 'SETUSER', 'blind', 'on', '>blind-pw', '~*', '+@all', '-info', '-config');
      await lab.redis('CONFIG', 'SET', 'maxmemory', '1000000');
      const run = await recover([], { env: { FALKORDB_USERNAME: 'blind', FALKORDB_PASSWORD: 'blind-pw' } });
      expectFailed(run, 1, 'out-of-memory', /maxmemory/);
    } finally {
      await lab.redis('CONFIG', 'SET', 'maxmemory', '0');
      await lab.redis('ACL', 'DELUSER', 'blind');
    }
    await expectUntouched();
  });
});

describe('limits of the graph server', () => {
  it('a result cap below what is read at once: named, where a read comes out short', async () => {
    await lab.reset();
    await lab.redis('GRAPH.CONFIG', 'SET', 'RESULTSET_SIZE', 50);
    try {
      const run = await lab.run(['repair', '--json', '--confirm', GRAPH]);
      expectFailed(run, 1, 'source-incomplete', /cuts every result at 50 rows.*RESULTSET_SIZE -1/);
      const finding = run.events.find(
        (event) => event.type === 'finding' && event.finding.code === 'result-cap',
      );
      expect(finding).toMatchObject({ finding: { severity: 'warning' } });
    } finally {
      await lab.redis('GRAPH.CONFIG', 'SET', 'RESULTSET_SIZE', -1);
    }
  });

  it('a query that it ended is no server that cannot be reached', () => {
    const failure = graphFailure('ask', lab.engines.graph, new Error('Query timed out'));
    expect(failure).toMatchObject({ code: 'query-timeout', exitCode: 1 });
    expect(failure.hint).toMatch(/TIMEOUT_MAX/);
    const silent = graphFailure('ask', lab.engines.graph, new Error('Command timed out'));
    expect(silent).toMatchObject({ code: 'timeout', exitCode: 10 });
  });
});

describe('a store that goes away', () => {
  it('Qdrant, in the middle of the scroll', async () => {
    vectors.when(
      /points\/scroll/,
      async () => {
        vectors.cut();
        await Promise.resolve();
      },
      1,
    );
    expectFailed(await recover(), 10, expect.stringMatching(/refused|connection-lost/), /Qdrant/);
    await expectUntouched();
  });

  it('Qdrant, between nodes and hints', async () => {
    vectors.when(/"ids":\[/, () => {
      vectors.cut();
      return undefined;
    });
    const run = await recover(['--backup', 'none']);
    expectFailed(run, 10, expect.stringMatching(/refused|connection-lost/), /Qdrant/);
    await expectUntouched();
  });

  it('Qdrant, silent: the wait ends, and its length is named', async () => {
    vectors.when(
      /points\/scroll/,
      () => {
        vectors.freeze();
        return undefined;
      },
      1,
    );
    const run = await recover([], { env: { QDRANT_TIMEOUT_SECONDS: '1' } });
    expectFailed(run, 10, 'timeout', /QDRANT_TIMEOUT_SECONDS/);
    expect(run.summary.failure?.message).toContain('within 1 s');
    await expectUntouched();
  });

  it('FalkorDB, in the middle of staging: crash, restart, same graph, and the next run works', async () => {
    graph.when(
      /GRAPH\.BULK[^]*BEGIN/i,
      async () => {
        await lab.engines.servers.graph.kill();
      },
      0,
    );
    const run = await recover();
    expectFailed(run, 10, expect.stringMatching(/refused|connection-lost/), /graph server|FalkorDB/);
    expect(
      run.events.some((event) => event.type === 'notice' && event.message.includes('could not be removed')),
    ).toBe(true);
    await lab.engines.restartGraph();
    await sleep(300);
    await expectUntouched();
    // The lease came back with the server, and its holder is this process, which lives on: in a test only.
    expect((await lab.recover(['--take-over'])).summary).toMatchObject({ outcome: 'recovered' });
  });

  it('FalkorDB, after part of the staging was written: the next assessment names what is left', async () => {
    // Validation begins only after everything is staged.
    graph.when(/GRAPH\.RO_QUERY[^]*:lifeboat:/i, async () => {
      await lab.engines.servers.graph.stop();
    });
    const run = await recover();
    expect(run.exitCode).toBe(10);
    await lab.engines.restartGraph();
    await sleep(300);
    const left = await lab.leftovers();
    expect(left).toEqual([expect.stringContaining(':lifeboat:')]);
    const assessed = await lab.run(['assess', '--json']);
    const finding = assessed.events.find(
      (event) => event.type === 'finding' && event.finding.code === 'staging-left',
    );
    expect(JSON.stringify(finding)).toContain('lifeboat runs forget');
    expect(await lab.differences(rest)).toEqual([]);
    await lab.redis('GRAPH.DELETE', left[0] ?? '');
  });

  it('FalkorDB, right after the swap: says that the new graph is live', async () => {
    graph.when(/rename[^]*exec/i, () => {
      graph.when(/GRAPH\.RO_QUERY/i, () => {
        graph.cut();
        return undefined;
      });
      return undefined;
    });
    const run = await recover();
    expectFailed(run, 3, expect.stringMatching(/refused|connection-lost/), /new graph is live.*runs resume/);
    expect(run.summary.restored.memories).toBeGreaterThan(100);
    expect((await lab.run(['validate', '--json'])).exitCode).toBe(0);
  });

  it('FalkorDB, with the answer to the swap: looks whether it happened', async () => {
    graph.when(/rename[^]*exec/i, () => {
      graph.mute();
      setTimeout(() => graph.drop(), 100);
      return undefined;
    });
    const run = await recover();
    expect(run.exitCode).toBe(3);
    expect(run.summary.failure?.hint).toMatch(/new graph is live/);
    expect(await lab.leftovers()).toEqual([`{${GRAPH}}:before:${run.summary.run}`]);
    expect((await lab.run(['validate', '--json'])).exitCode).toBe(0);
  });
});

describe('a service that goes on writing', () => {
  const writes: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
    [
      'adds a node',
      () => lab.query("CREATE (:Memory {id: 'new', content: 'x'})"),
      () => lab.value("MATCH (m:Memory {id: 'new', content: 'x'}) RETURN count(m)"),
    ],
    [
      'changes one property',
      () => lab.query("MATCH (e:Entity) WITH e LIMIT 1 SET e.name = 'changed'"),
      () => lab.value("MATCH (e:Entity {name: 'changed'}) RETURN count(e)"),
    ],
    [
      'makes a relationship',
      () => lab.query('MATCH (e:Entity) WITH e LIMIT 1 MERGE (e)-[:SELF]->(e)'),
      () => lab.value('MATCH (e)-[r:SELF]->(e) RETURN count(r)'),
    ],
    [
      'adds a point',
      () => lab.upsert([{ id: NEW, payload: payloadOf('x') }]),
      () => lab.value(`MATCH (m:Memory {id: '${NEW}'}) RETURN count(m)`),
    ],
  ];

  it.each(writes)('%s before the swap: it is in the new graph', async (_, write, count) => {
    graph.when(/:lifeboat:[^]*max\(id|max\(id[^]*:lifeboat:|GRAPH\.RO_QUERY[^]*:lifeboat:/i, write);
    const run = await recover();
    expect(run.summary.failure).toBeUndefined();
    expect(await count()).toBe(1);
    expect(await lab.value('MATCH (m:Memory) RETURN count(m) > 100')).toBe('true');
  });

  it('changes a property between the last look and the swap', async () => {
    graph.when(/multi[^]*rename/i, () => lab.query("MATCH (e:Entity) SET e.name = 'at the last moment'"));
    const run = await recover();
    expect(run.summary.failure).toBeUndefined();
    expect(await lab.value("MATCH (e:Entity) WHERE e.name <> 'at the last moment' RETURN count(e)")).toBe(0);
  });

  it('or some program deletes the staged graph: the live one stays', async () => {
    graph.when(/watch[^]*:lifeboat:/i, async () => {
      const staged =
        (await lab.leftovers()).find((key) => key.includes(':lifeboat:') && !key.includes('lease')) ?? '';
      await lab.redis('DEL', staged);
    });
    expectFailed(await recover(), 1, 'staging-gone', /evicts/);
    await expectUntouched();
  });

  it('creates the lost graph anew', async () => {
    await lab.redis('DEL', GRAPH);
    graph.when(/GRAPH\.RO_QUERY[^]*:lifeboat:/i, () =>
      lab.query("CREATE (:Memory {id: 'first', content: 'x'})"),
    );
    const run = await recover();
    expect(run.summary.failure).toBeUndefined();
    expect(await lab.value("MATCH (m {id: 'first'}) RETURN count(m)")).toBe(1);
    expect(await lab.value('MATCH (m:Memory) RETURN count(m) > 100')).toBe('true');
  });

  it('writes to the new graph before it is counted again: both are kept', async () => {
    graph.when(/rename[^]*exec/i, () => {
      graph.when(/GRAPH\.RO_QUERY/i, () => lab.query("CREATE (:Memory {id: 'late', content: 'x'})"));
      return undefined;
    });
    const run = await recover();
    expect(run.summary.failure).toBeUndefined();
    expect(await lab.value("MATCH (m {id: 'late'}) RETURN count(m)")).toBe(1);
  });

  it('finds the new graph empty when it is counted again: the old one goes back', async () => {
    graph.when(/rename[^]*exec/i, () => {
      graph.when(/GRAPH\.RO_QUERY/i, () => lab.query('MATCH (n) DETACH DELETE n'));
      return undefined;
    });
    expectFailed(await recover(), 1, 'promoted-differs', /put back/);
    await expectUntouched();
  });
});

describe('Ctrl-C', () => {
  it('in the middle of staging: after the step, nothing left', async () => {
    const run = await recover([], {
      onEvent: (event, context) => {
        if (event.type === 'step.started' && event.step === 'stage-nodes') context.interrupt();
      },
    });
    expect(run.summary).toMatchObject({ outcome: 'interrupted', exitCode: 130 });
    const steps = run.events.flatMap((event) => (event.type === 'step.finished' ? [event.step] : []));
    expect(steps).toEqual(['watch-writers', 'prove-source', 'stage-nodes']);
    await expectUntouched();
  });

  it.each(['prove-source', 'stage-nodes', 'stage-relationships', 'validate-candidate'])(
    'twice, in %s: at once, nothing left',
    async (step) => {
      const run = await recover([], {
        onEvent: (event, context) => {
          if (event.type !== 'step.started' || event.step !== step) return;
          context.interrupt();
          context.interrupt();
        },
      });
      expect(run.summary).toMatchObject({ outcome: 'interrupted', exitCode: 130 });
      await sleep(100);
      await expectUntouched();
    },
  );

  it('twice, while a store is silent: does not wait for its timeout', async () => {
    graph.when(/GRAPH\.BULK[^]*BEGIN/i, () => {
      graph.freeze();
      return undefined;
    });
    const started = performance.now();
    const run = await recover([], {
      onEvent: (event, context) => {
        if (event.type !== 'step.started' || event.step !== 'stage-nodes') return;
        setTimeout(() => context.interrupt(), 300);
        setTimeout(() => context.interrupt(), 400);
      },
    });
    expect(run.summary).toMatchObject({ outcome: 'interrupted', exitCode: 130 });
    expect(performance.now() - started).toBeLessThan(20_000);
    await expectUntouched();
  });

  it('during the assessment: nothing is begun', async () => {
    const run = await recover([], {
      onEvent: (event, context) => {
        if (event.type === 'phase.started' && event.phase === 'assess') context.interrupt();
      },
    });
    expect(run.summary).toMatchObject({ outcome: 'interrupted', exitCode: 130, plan: null });
    await expectUntouched();
  });

  it('after the swap: the run is finished all the same', async () => {
    const run = await recover([], {
      onEvent: (event, context) => {
        if (event.type === 'step.finished' && event.step === 'promote-graph') context.interrupt();
      },
    });
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
  });

  it('twice after the swap: stops, and says that the new graph is live', async () => {
    const run = await recover([], {
      onEvent: (event, context) => {
        if (event.type !== 'step.finished' || event.step !== 'promote-graph') return;
        context.interrupt();
        context.interrupt();
      },
    });
    expect(run.summary).toMatchObject({ outcome: 'interrupted', exitCode: 130 });
    expect(run.summary.failure?.hint).toMatch(/new graph is live/);
    expect(run.summary.restored.memories).toBeGreaterThan(100);
    const report = readFileSync(run.summary.files['report'] ?? '', 'utf8');
    expect(report).not.toContain('Both stores are as they were');
    expect(report).toContain('new graph is live');
    expect((await lab.run(['validate', '--json'])).exitCode).toBe(0);
  });
});

describe('secrets', () => {
  it('stand in no output, report or journal, and every JSON line is whole', async () => {
    const runs = [
      await recover(['--dry-run']),
      await recover([], { env: { FALKORDB_PASSWORD: 'wrong-geheim-9' } }),
      await recover([], { env: { QDRANT_API_KEY: 'wrong-geheim-9' } }),
      await recover(),
      await lab.run(['assess', '--json']),
      await lab.run(['validate']),
      await lab.run(['assess']),
    ];
    const folder = join(lab.folder, 'state');
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const written = files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    for (const text of [...runs.map(({ stdout, stderr }) => stdout + stderr), ...written]) {
      for (const secret of [PASSWORD, JSON.stringify(PASSWORD).slice(1, -1), API_KEY, 'wrong-geheim-9'])
        expect(text.includes(secret)).toBe(false);
    }
    for (const run of runs.slice(0, 5)) {
      const last = JSON.parse(run.stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
      expect(Object.keys(last)).toEqual(
        expect.arrayContaining([
          'type',
          'command',
          'run',
          'outcome',
          'exitCode',
          'plan',
          'assessment',
          'validation',
          'restored',
          'salvaged',
          'quarantined',
          'rto',
          'rpo',
          'files',
          'losses',
        ]),
      );
      expect(last['type']).toBe('summary');
      expect(last['exitCode']).toBe(run.exitCode);
    }
  });
});
