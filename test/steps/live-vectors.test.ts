import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { compareStores } from '../../src/drift/compare-stores.js';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { GRAPH, Lab, payloadOf, type CommandRun, type RunOptions } from '../support/lab.js';
import { startProvider, type TestProvider } from '../support/provider.js';
import { startWriter } from '../support/writer.js';

const NEW = '0d000000-0000-4000-8000-000000000001';
const DIM = 8;

let lab: Lab;
let provider: TestProvider;

beforeAll(async () => {
  lab = await Lab.start();
  provider = await startProvider({ size: DIM });
  await lab.fill({ memories: 2000, dim: DIM });
  await lab.keep();
});

afterAll(async () => {
  await provider.stop();
  await lab.stop();
});

beforeEach(async () => {
  provider.reset();
  await lab.reset();
});

const PATHS = [
  {
    // Old texts come from the backup, new ones from the provider.
    plan: 'reembed-vectors',
    lose: () => lab.damage('vectors-lost'),
  },
  {
    plan: 'restore-vectors',
    lose: async () => {
      lab.removeBackup('graph');
      await lab.damage('both-lost');
    },
  },
];

const recover = (plan: string, options: RunOptions = {}): Promise<CommandRun> =>
  lab.recover([plan], { ...options, env: provider.env });

/** Ids that are not the same in both stores, however young, but those that have no vector by AutoMem's own rules. */
async function differing(): Promise<string[]> {
  const graph = await GraphStore.open(lab.engines.graph);
  const vectors = new VectorStore({ url: lab.engines.vectors.url, timeoutMs: 20_000 });
  const found: string[] = [];
  try {
    await compareStores(
      { graph, graphName: GRAPH, vectors, collection: GRAPH },
      {
        depth: 'content',
        excludedTypes: new Set(['MetaPattern']),
        placeholders: true,
        graceSeconds: 0,
        signal: new AbortController().signal,
        onDifference: ({ id, class: kind, fields = [] }) => {
          if (kind !== 'excluded-type' && kind !== 'no-content') found.push(`${kind} ${id} ${fields.join()}`);
        },
      },
    );
  } finally {
    graph.close();
    vectors.close();
  }
  return found;
}

/** Points whose vector is not that of their text: the lab's vectors, the writer's and the provider's are all made of it. */
async function wrongVectors(): Promise<string[]> {
  const points = JSON.parse(await lab.points()) as {
    id: string;
    vector: number[];
    payload: { content: string };
  }[];
  expect(points.length).toBeGreaterThan(1_000);
  return points.flatMap(({ id, vector, payload: { content } }) => {
    const wanted = deterministicVector(content, DIM);
    const dot = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((sum, component, at) => sum + component * (b[at] ?? 0), 0);
    return dot(vector, wanted) / Math.sqrt(dot(vector, vector) * dot(wanted, wanted)) > 0.999 ? [] : [id];
  });
}

// Most of the time is a wait for memories that were written just now; a busy machine makes more of it.
describe('a service that writes while the vectors come back', { timeout: 120_000 }, () => {
  it.each(PATHS)('$plan: all that was acknowledged is in both stores', async ({ plan, lose }) => {
    await lose();
    const seed = Number(process.env['LIFEBOAT_SEED'] ?? 1);
    const writer = await startWriter(lab.stores, { seed, perSecond: 100 });
    const run = await recover(plan).finally(() => writer.stop());
    expect([run.failure, run.summary.failure]).toEqual([null, undefined]);
    // Its own checks looked while the writer was at work; here everything is looked at after that.
    const { ledger } = writer;
    // Enough of everything, also where the machine is busy and the writer slow.
    expect(Math.min(ledger.memories.size, ledger.points.size)).toBeGreaterThan(50);
    expect(ledger.deleted.size).toBeGreaterThan(5);
    ledger.forgetReadsAfterDelete();
    expect(await writer.missingFrom(lab.stores)).toEqual([]);
    expect(await differing()).toEqual([]);
    expect(await wrongVectors()).toEqual([]);
  });
});

describe('a memory that is stored while there is no collection', () => {
  it.each(PATHS)('$plan: has its vector in the end', async ({ plan, lose }) => {
    await lose();
    const fields = Object.entries({ ...payloadOf('stored in between'), metadata: '{}' });
    const properties = fields.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(', ');
    const stored: Promise<unknown>[] = [];
    const run = await recover(plan, {
      onEvent: (event) => {
        if (event.type === 'step.started' && event.step === 'watch-writers')
          stored.push(lab.query(`CREATE (:Memory {id: '${NEW}', ${properties}})`));
      },
    });
    await Promise.all(stored);
    expect(stored).toHaveLength(1);
    expect([run.failure, run.summary.failure]).toEqual([null, undefined]);
    expect(await lab.points()).toContain(`"id":"${NEW}"`);
    expect(await differing()).toEqual([]);
  });
});
