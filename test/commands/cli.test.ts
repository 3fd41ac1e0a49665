import { spawn } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { GRAPH, Lab } from '../support/lab.js';
import { startProxy, type Proxy } from '../support/proxy.js';
import { CLI } from '../support/cli.js';

let lab: Lab;
let rest: GraphSnapshot;
let graph: Proxy;
let vectors: Proxy;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
  await lab.query('MATCH (m:Memory) DETACH DELETE m');
  rest = await lab.snapshot();
});

afterAll(async () => {
  await rest.close();
  await lab.stop();
});

beforeEach(async () => {
  graph = await startProxy(lab.engines.graph);
  const { hostname, port } = new URL(lab.engines.vectors.url);
  vectors = await startProxy({ host: hostname, port: Number(port) });
});

afterEach(async () => {
  await graph.stop();
  await vectors.stop();
});

interface Process {
  signal(name: NodeJS.Signals): void;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

/** The real command line in a process of its own, without a terminal. */
function lifeboat(args: string[]): Process {
  const env = {
    PATH: process.env['PATH'],
    ...lab.env,
    FALKORDB_PORT: String(graph.port),
    QDRANT_URL: `http://${vectors.host}:${vectors.port}`,
  };
  const child = spawn(process.execPath, [CLI, ...args], {
    env,
    cwd: lab.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Awaited<Process['ended']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { signal: (name) => void child.kill(name), ended };
}

async function expectUntouched(): Promise<void> {
  expect(await lab.leftovers()).toEqual([]);
  expect(await lab.differences(rest)).toEqual([]);
}

const recover = (...more: string[]): Process => lifeboat(['recover', '--confirm', GRAPH, '--json', ...more]);

describe('a signal', () => {
  const moments: [string, NodeJS.Signals, (work: () => Promise<void>) => void][] = [
    ['SIGINT in the assessment', 'SIGINT', (work) => graph.when(/graph\.list/i, work)],
    [
      'SIGTERM while the collection is read',
      'SIGTERM',
      (work) => vectors.when(/"with_vector":false[^]*filter|points\/scroll/, work, 1),
    ],
    ['SIGHUP while nodes are staged', 'SIGHUP', (work) => graph.when(/GRAPH\.BULK[^]*BEGIN/i, work)],
    [
      'SIGTERM while the candidate is validated',
      'SIGTERM',
      (work) => graph.when(/GRAPH\.RO_QUERY[^]*:lifeboat:/i, work),
    ],
  ];

  it.each(moments)('%s: stops after the step, exit 130, nothing left', async (_, signal, at) => {
    const started: { process?: Process } = {};
    at(async () => {
      started.process?.signal(signal);
      // Long enough for the signal to be heard before the server's answer is.
      await new Promise((resolve) => setTimeout(resolve, 150));
    });
    started.process = recover();
    const { code, signal: killedBy, stdout, stderr } = await started.process.ended;
    expect({ code, killedBy, stderr }).toEqual({ code: 130, killedBy: null, stderr: '' });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; outcome?: string; message?: string });
    expect(lines.at(-1)).toMatchObject({ type: 'summary', outcome: 'interrupted', exitCode: 130 });
    expect(lines.filter(({ type }) => type === 'stopping')).toHaveLength(1);
    await expectUntouched();
  });

  it.each(['assess', 'stage'])(
    'twice while a store is silent (%s): the process is gone at once',
    async (phase) => {
      const started: { process?: Process } = {};
      let signalled = 0;
      graph.when(phase === 'assess' ? /graph\.list/i : /GRAPH\.BULK[^]*BEGIN/i, () => {
        graph.freeze();
        for (const delay of [50, 150]) {
          setTimeout(() => {
            signalled = performance.now();
            started.process?.signal('SIGINT');
          }, delay);
        }
        return undefined;
      });
      started.process = recover();
      const { code, stdout } = await started.process.ended;
      expect(code).toBe(130);
      expect(stdout.trimEnd().split('\n').at(-1)).toContain('"outcome":"interrupted"');
      // Removing the staging graph is tried once more, over a connection of its own that also finds silence.
      expect(signalled).toBeGreaterThan(0);
      // A silent store is waited for ten times as long.
      expect(performance.now() - signalled).toBeLessThan(20_000);
      await expectUntouched();
    },
  );
});

describe('without a terminal', () => {
  it('a missing confirmation is exit 2 and names the flag; plain lines, no escape sequences, no stack trace', async () => {
    const { code, stdout, stderr } = await lifeboat(['recover']).ended;
    expect(code).toBe(2);
    expect(stdout).toMatch(/--confirm memories/);
    // eslint-disable-next-line no-control-regex -- that there is none is the point
    expect(stdout + stderr).not.toMatch(/\u001b|^\s+at .*:\d+:\d+/m);
    await expectUntouched();
  });

  it('a wrong option is exit 2, and so is a wrong setting', async () => {
    const wrong = await lifeboat(['recover', '--nonsense']).ended;
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/--nonsense/);
  });

  it('a store that is away is exit 10 in words, without a stack trace', async () => {
    graph.cut();
    const { code, stdout, stderr } = await lifeboat(['recover', '--confirm', GRAPH]).ended;
    expect(code).toBe(10);
    expect(stdout).toMatch(/Start FalkorDB/);
    expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  });
});
