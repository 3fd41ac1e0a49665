import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { compareStores } from '../../src/drift/compare-stores.js';
import { hasDrift, type DriftReport } from '../../src/drift/types.js';
import { Failure } from '../../src/failure.js';
import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { VectorStore, type ScrollOptions } from '../../src/stores/vectors/vector-store.js';
import { GRAPH, Lab, payloadOf } from '../support/lab.js';

const DIM = 8;
const NOW = new Date('2026-12-01T00:00:00Z');
const JUST_NOW = '2026-11-30T23:59:59+00:00';

/** The real store, with something done to what it reads or when. */
class MeddledStore extends VectorStore {
  scrolls = 0;
  before: () => Promise<unknown> = () => Promise.resolve();
  after: () => Promise<unknown> = () => Promise.resolve();
  /** Points that the server leaves out of its answers, as a result cap would. */
  cut = 0;

  override async *scroll(name: string, options: ScrollOptions): ReturnType<VectorStore['scroll']> {
    this.scrolls++;
    await this.before();
    let left = this.cut;
    for await (const page of super.scroll(name, options)) {
      yield page.slice(left);
      left = Math.max(0, left - page.length);
    }
    await this.after();
  }
}

let lab: Lab;
let graph: GraphStore;
let vectors: MeddledStore;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60, dim: DIM });
  await lab.keep();
  graph = await GraphStore.open(lab.engines.graph);
});

afterAll(async () => {
  graph.close();
  await lab.stop();
});

async function compare(meddle: (store: MeddledStore) => void = () => undefined): Promise<DriftReport> {
  await lab.reset();
  vectors = new MeddledStore({ ...lab.engines.vectors, timeoutMs: 20_000 });
  meddle(vectors);
  try {
    return await compareStores(
      { graph, graphName: GRAPH, vectors, collection: GRAPH },
      {
        depth: 'content',
        excludedTypes: new Set(['MetaPattern']),
        vectorless: false,
        signal: new AbortController().signal,
        now: NOW,
      },
    );
  } finally {
    vectors.close();
  }
}

const failureOf = async (work: Promise<unknown>): Promise<Failure> => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Failure)) throw new Error('no failure', { cause: error });
  return error;
};

const id = (n: number): string => `0a000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

async function writeBoth(n: number): Promise<void> {
  const fields = `content: 'c${n}', tags: ['lab'], importance: 0.7, type: 'Decision', confidence: 0.9, metadata: '{}'`;
  await lab.query(
    `CREATE (:Memory {id: '${id(n)}', timestamp: '${JUST_NOW}', updated_at: '${JUST_NOW}', ${fields}})`,
  );
  const payload = payloadOf(`c${n}`, { timestamp: JUST_NOW, updated_at: JUST_NOW });
  await lab.upsert([{ id: id(n), payload }], DIM);
}

describe('a store that does not hand out all that it counts', () => {
  it('is a failure and not drift: the collection', async () => {
    const failure = await failureOf(compare((store) => (store.cut = 3)));
    expect(failure).toMatchObject({ code: 'source-incomplete', exitCode: 1, subject: GRAPH });
    expect(failure.message).toMatch(
      /read every point of the collection.*\d+ points were read, where it counted/,
    );
    // Three attempts, then no more.
    expect(vectors.scrolls).toBe(3);
  });

  it('is a failure and not drift: the graph, behind a cap below the page', async () => {
    await lab.redis('GRAPH.CONFIG', 'SET', 'RESULTSET_SIZE', 50);
    const failure = await failureOf(compare()).finally(() =>
      lab.redis('GRAPH.CONFIG', 'SET', 'RESULTSET_SIZE', -1),
    );
    expect(failure).toMatchObject({ code: 'source-incomplete' });
    expect(failure.message).toMatch(/read every memory of the graph.*50 memories were read/);
  });

  it('is read again where it was only short once', async () => {
    const report = await compare((store) => {
      store.cut = 3;
      store.after = () => Promise.resolve((store.cut = 0));
    });
    expect(vectors.scrolls).toBe(2);
    expect(hasDrift(report)).toBe(false);
  });
});

describe('a service that goes on writing', () => {
  it('is compared all the same, and what it is at work on is pending', async () => {
    let written = 0;
    const report = await compare((store) => {
      // Whenever somebody has looked, there is one more.
      store.after = () => writeBoth(++written);
    });
    expect(vectors.scrolls).toBe(3);
    expect(report.counts).toMatchObject({ 'missing-vector': 0, 'orphan-vector': 0, 'stale-payload': 0 });
    expect(hasDrift(report)).toBe(false);
  });

  it('may delete what was read already', async () => {
    let deleted = 0;
    const ids = (await lab.query('MATCH (m:Memory)-[:SIMILAR_TO]->() RETURN DISTINCT m.id')).map(String);
    const report = await compare((store) => {
      store.after = async () => {
        const gone = ids[deleted++] ?? '';
        await lab.query(`MATCH (m:Memory {id: '${gone}'}) DETACH DELETE m`);
        await lab.removePoints([gone]);
      };
    });
    expect(deleted).toBe(3);
    expect(report.counts['orphan-vector']).toBe(0);
    expect(report.counts['missing-vector']).toBe(0);
    expect(hasDrift(report)).toBe(false);
  });

  it('stops at a signal, with nothing read behind its back', async () => {
    const abort = new AbortController();
    await lab.reset();
    const store = new MeddledStore({ ...lab.engines.vectors, timeoutMs: 20_000 });
    store.before = () => {
      abort.abort(new Error('enough'));
      return Promise.resolve();
    };
    const work = compareStores(
      { graph, graphName: GRAPH, vectors: store, collection: GRAPH },
      { depth: 'ids', excludedTypes: new Set(), signal: abort.signal },
    );
    await expect(work).rejects.toThrow('enough');
    store.close();
  });
});
