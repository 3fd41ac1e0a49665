import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { SHARED_FIELDS } from '../../src/memory/fingerprint.js';
import { PAGE_ROWS } from '../../src/stores/graph/graph-store.js';
import type { TestEngines } from '../support/engines.js';
import { benchSizes, type BenchOptions } from './filled.js';
import { benchRounds, GRAPH, watchPeakRss, type Measured } from './measure.js';
import { readAllPayloads } from './rebuild-graph.js';
import type { BenchRow } from './row.js';

/** Comparing two stores by id and content against the engines' own speed, turn by turn on the same data. */
export function benchDrift(options: BenchOptions): Promise<BenchRow[]> {
  return benchSizes(options, ({ engines, memories, dim, rounds }) =>
    benchRounds(
      { name: 'drift', memories, dim },
      rounds,
      () => floor(engines),
      () => compared(engines, join(engines.folder, 'nothing')),
    ),
  );
}

/** Reads all payloads over one connection and all memories over another, at the same time, with nothing done to them. */
export async function floor(engines: TestEngines): Promise<number> {
  const redis = new Redis({ ...engines.graph });
  const started = performance.now();
  await Promise.all([readAllPayloads(engines.vectors.url), readAllMemories(redis)]);
  const seconds = (performance.now() - started) / 1000;
  redis.disconnect();
  return seconds;
}

async function readAllMemories(redis: Redis): Promise<void> {
  const reply = await redis.call('GRAPH.RO_QUERY', GRAPH, 'MATCH (n) RETURN max(id(n))');
  const [, [[last]]] = reply as [unknown, [[number]]];
  const columns = ['id(n)', 'n.id', ...SHARED_FIELDS.map((field) => `n.${field}`)].join(', ');
  for (let from = 0; from <= last; from += PAGE_ROWS) {
    const range = `MATCH (n:Memory) WHERE id(n) >= ${from} AND id(n) < ${from + PAGE_ROWS}`;
    await redis.call('GRAPH.RO_QUERY', GRAPH, `${range} RETURN ${columns}`);
  }
}

/** The whole command as a user runs it; how long the comparison in it took is what it says itself. */
async function compared(engines: TestEngines, nowhere: string): Promise<Measured> {
  const env = { ...process.env, ...engines.env, AUTOMEM_BACKUP_DIR: nowhere, LIFEBOAT_STATE: nowhere };
  const cli = join(import.meta.dirname, '../../dist/cli.js');
  const child = spawn(process.execPath, [cli, 'assess', '--deep', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const peak = watchPeakRss(child.pid ?? 0);
  await new Promise((resolve) => child.on('close', resolve));
  const seconds = comparisonOf(out);
  return { seconds, peakRssMb: (await peak) / 1024 };
}

function comparisonOf(out: string): number {
  for (const line of out.split('\n').filter((text) => text !== '')) {
    const event = JSON.parse(line) as { type: string; assessment?: { drift: Drift | null } };
    if (event.type !== 'assessment') continue;
    const drift = event.assessment?.drift ?? null;
    if (drift?.percent === 0) return drift.seconds;
  }
  throw new Error(`lifeboat did not compare two stores that agree: ${out.slice(-2_000)}`);
}

interface Drift {
  percent: number;
  seconds: number;
}
