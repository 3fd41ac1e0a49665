import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { addRunsCommand } from '../../src/commands/runs.js';
import type { StepContext } from '../../src/steps/step.js';
import { watchWriters } from '../../src/steps/watch-writers.js';
import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { testContext } from '../support/context.js';
import { GRAPH, Lab, payloadOf, type CommandRun, type RunOptions } from '../support/lab.js';
import { startProxy, type Proxy } from '../support/proxy.js';
import { startWriter } from '../support/writer.js';

const ID = '0c000000-0000-4000-8000-0000000000';
const NEW = `${ID}01`;
const OTHER = `${ID}02`;

let lab: Lab;
let graph: Proxy;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 300 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(async () => {
  await lab.reset();
  graph = await startProxy(lab.engines.graph);
});

afterEach(() => graph.stop());

const recover = (args: string[] = [], options: RunOptions = {}): Promise<CommandRun> =>
  lab.recover(args, { ...options, env: { FALKORDB_PORT: String(graph.port), ...options.env } });

const detailOf = (run: CommandRun, step: string): string => {
  const found = run.events.find((event) => event.type === 'step.finished' && event.step === step);
  return found?.type === 'step.finished' ? found.detail : '';
};

/** Goes on with a run, in another process as far as the run knows. @returns what it wrote */
async function resume(run: string): Promise<string> {
  const context = testContext({
    env: { ...lab.env, FALKORDB_PORT: String(graph.port) },
    cwd: lab.folder,
  });
  const program = new Command('lifeboat').exitOverride();
  addRunsCommand(program, context);
  await program.parseAsync(['runs', 'resume', run, '--confirm', GRAPH, '--take-over', '--json'], {
    from: 'user',
  });
  return context.stdout;
}

const loseMost = (): Promise<unknown> => lab.query('MATCH (m:Memory) WHERE id(m) % 3 > 0 DETACH DELETE m');

/** What the service does for POST /memory, but for the point. */
const store = (id: string, content: string, more = ''): Promise<unknown> =>
  lab.query(
    `CREATE (:Memory {id: '${id}', content: '${content}', type: 'Context', importance: 1.0, updated_at: '2027-01-01T00:00:00+00:00'${more}})`,
  );

const contentOf = (id: string): Promise<unknown> =>
  lab.value(`MATCH (m:Memory {id: '${id}'}) RETURN m.content`);

/** Ids of memories with relationships that the live graph still holds after {@link loseMost}. */
async function survivors(): Promise<string[]> {
  const rows = await lab.query('MATCH (m:Memory)-[r]->(:Memory) RETURN DISTINCT m.id ORDER BY m.id');
  return rows.map(([id]) => String(id));
}

/** Does something in the moment between the last look at the live graph and the swap. */
function rightBeforeTheSwap(work: () => Promise<unknown>): void {
  // The first transaction is refused, because something was written; so are the next ones, until nothing is watched.
  const touch = (): Promise<unknown> =>
    lab.query("MERGE (t:Tick {id: 'tick'}) SET t.count = coalesce(t.count, 0) + 1");
  for (let round = 0; round < 3; round++) graph.when(/multi[^]*rename/i, touch, round);
  graph.when(/multi[^]*rename/i, work, 3);
}

describe('a service that writes through the whole recovery', () => {
  it.each([
    { name: 'graph-lost', damage: () => lab.damage('graph-lost') },
    { name: 'graph-empty', damage: () => lab.damage('graph-empty') },
    { name: 'most of the graph lost', damage: loseMost },
  ])('$name: nothing that was acknowledged is lost', async ({ damage }) => {
    await damage();
    const seed = Number(process.env['LIFEBOAT_SEED'] ?? 1);
    const writer = await startWriter(lab.stores, { seed, perSecond: 150 });
    const run = await recover().finally(() => writer.stop());
    expect(run.failure).toBeNull();
    expect(run.summary.failure).toBeUndefined();
    expect(detailOf(run, 'watch-writers')).toContain('something writes to the graph');
    expect(writer.ledger.acknowledged).toBeGreaterThan(20);
    // Who reads a memory right after its delete, when only the delete was not caught up with yet, does not bring it back.
    const { deleted, memories } = writer.ledger;
    for (const id of deleted) if (memories.get(id)?.content === undefined) memories.delete(id);
    expect(await writer.missingFrom(lab.stores)).toEqual([]);
  });
});

describe('what is written between the last look and the swap', () => {
  it('comes from the replaced graph: new, changed and deleted, down to parallel relationships', async () => {
    await loseMost();
    const [changed = '', deleted = '', twin = ''] = await survivors();
    await lab.query(
      `MATCH (a {id: '${twin}'}), (b {id: '${changed}'}) CREATE (a)-[:TWIN {n: 1}]->(b), (a)-[:TWIN {n: 2}]->(b), (a)-[:TWIN {n: 3}]->(b)`,
    );
    rightBeforeTheSwap(async () => {
      await store(NEW, 'at the last moment', ', ratio: 0.1, whole: 7');
      await lab.query(
        `MATCH (m {id: '${changed}'}) SET m.content = 'changed', m.importance = 1.0, m.summary = NULL`,
      );
      await lab.query(`MATCH (m {id: '${deleted}'}) DETACH DELETE m`);
      // The server gives the internal id of the deleted one to this one.
      await store(OTHER, 'under a reused id');
      await lab.query(`MATCH (a {id: '${twin}'})-[r:TWIN {n: 2}]->() DELETE r`);
      await lab.query(`MATCH (a {id: '${twin}'})-[r:TWIN {n: 3}]->() SET r.n = 4`);
      await lab.query(
        `MATCH (a {id: '${twin}'}), (b {id: '${NEW}'}) CREATE (a)-[:RELATES_TO {strength: 1.0}]->(b)`,
      );
    });
    const run = await recover();
    expect(detailOf(run, 'catch-up')).toMatch(
      /from the replaced graph: 2 nodes new, 1 nodes changed, 1 nodes deleted/,
    );
    expect(await contentOf(NEW)).toBe('at the last moment');
    expect(await contentOf(OTHER)).toBe('under a reused id');
    expect(await contentOf(changed)).toBe('changed');
    expect(await contentOf(deleted)).toBeUndefined();
    const types = `MATCH (m {id: '${NEW}'}) RETURN typeOf(m.importance), m.ratio, typeOf(m.whole)`;
    expect(await lab.query(types)).toEqual([['Float', '0.1', 'Integer']]);
    const twins = await lab.query(
      `MATCH (a {id: '${twin}'})-[r:TWIN]->(b {id: '${changed}'}) RETURN r.n ORDER BY r.n`,
    );
    expect(twins).toEqual([[1], [4]]);
    expect(
      await lab.query(`MATCH ({id: '${twin}'})-[r:RELATES_TO]->({id: '${NEW}'}) RETURN typeOf(r.strength)`),
    ).toEqual([['Float']]);
  });

  it('of two versions the newest wins, and when it was last read is the later one', async () => {
    await loseMost();
    const [before = '', after = ''] = await survivors();
    const write = (id: string, content: string, time: string): Promise<unknown> =>
      lab.query(`MATCH (m {id: '${id}'}) SET m.content = '${content}', m.updated_at = '${time}'`);
    rightBeforeTheSwap(async () => {
      await write(before, 'before the swap', '2027-01-01T00:00:01+00:00');
      await write(after, 'before the swap', '2027-01-01T00:00:01+00:00');
      graph.when(/GRAPH\.RO_QUERY[^]*:before:/i, async () => {
        await write(after, 'after the swap', '2027-01-01T00:00:02+00:00');
        await lab.query(`MATCH (m {id: '${before}'}) SET m.last_accessed = '2027-01-01T00:00:03+00:00'`);
      });
    });
    await recover();
    expect(await contentOf(before)).toBe('before the swap');
    expect(await contentOf(after)).toBe('after the swap');
    expect(await lab.value(`MATCH (m {id: '${before}'}) RETURN m.last_accessed`)).toBe(
      '2027-01-01T00:00:03+00:00',
    );
  });

  it('also comes where it was under way at the swap, and lands in the replaced graph while that is read', async () => {
    await loseMost();
    const [changed = ''] = await survivors();
    const late = async (query: string): Promise<unknown> => {
      const [replaced = ''] = await lab.leftovers();
      return lab.redis('GRAPH.QUERY', replaced, query);
    };
    rightBeforeTheSwap(async () => {
      await store(OTHER, 'in time');
      // Before its nodes are counted, and when all that was new in it has been brought over.
      graph.when(
        /GRAPH\.RO_QUERY[^]*:before:/i,
        () => late(`CREATE (:Memory {id: '${NEW}', content: 'late', type: 'Context'})`),
        1,
      );
      graph.when(
        /GRAPH\.RO_QUERY[^]*:before:/i,
        () => late(`MATCH (m {id: '${changed}'}) SET m.content = 'later still'`),
        3,
      );
    });
    const run = await recover();
    expect(run.failure).toBeNull();
    expect(await contentOf(OTHER)).toBe('in time');
    expect(await contentOf(NEW)).toBe('late');
    expect(await contentOf(changed)).toBe('later still');
  });

  it('is brought back by a run that goes on after it was killed there', async () => {
    await loseMost();
    const [deleted = ''] = await survivors();
    rightBeforeTheSwap(async () => {
      await store(NEW, 'at the last moment');
      await lab.query(`MATCH (m {id: '${deleted}'}) DETACH DELETE m`);
      await lab.removePoints([deleted]);
      // The connection breaks before the step can read the replaced graph: as much as a kill leaves.
      graph.when(/GRAPH\.RO_QUERY[^]*:before:/i, () => {
        graph.drop();
        return undefined;
      });
    });
    const stopped = await recover();
    expect(stopped.exitCode).not.toBe(0);
    expect(await contentOf(NEW)).toBeUndefined();
    expect(await resume(stopped.summary.run)).toMatch(/1 nodes new, 1 nodes deleted/);
    expect(await contentOf(NEW)).toBe('at the last moment');
    expect(await contentOf(deleted)).toBeUndefined();
  });
});

describe('what is written before the last look', () => {
  it('a memory that is deleted while the collection is read does not come back from the backup', async () => {
    await loseMost();
    const [deleted = ''] = await survivors();
    // The names are read by then, the nodes are not.
    graph.when(/collect\(\[id\(n\), labels\(n\), properties\(n\)\]\)/i, () =>
      lab.query(`MATCH (m {id: '${deleted}'}) DETACH DELETE m`),
    );
    const run = await recover();
    expect(detailOf(run, 'promote-graph')).toContain('1 nodes deleted');
    expect(await contentOf(deleted)).toBeUndefined();
  });

  it('a graph that is lost anew during the run loses nothing that was read of it', async () => {
    await loseMost();
    const [kept = ''] = await survivors();
    await lab.query(`MATCH (m {id: '${kept}'}) SET m.content = 'only the live graph knows'`);
    graph.when(/multi[^]*rename/i, () => lab.redis('DEL', GRAPH));
    const run = await recover();
    expect(run.summary.failure).toBeUndefined();
    expect(await contentOf(kept)).toBe('only the live graph knows');
  });

  it('a point that comes without a memory becomes one', async () => {
    await lab.damage('graph-lost');
    graph.when(/multi[^]*rename/i, () => lab.upsert([{ id: NEW, payload: payloadOf('from a point') }]));
    const run = await recover();
    expect(await contentOf(NEW)).toBe('from a point');
    expect(detailOf(run, 'catch-up')).toContain('1 memories from points');
  });
});

describe('before it starts', () => {
  it('costs nothing where nobody writes: nothing is read again', async () => {
    await loseMost();
    const run = await recover();
    expect(detailOf(run, 'watch-writers')).not.toContain('right now');
    expect(detailOf(run, 'catch-up')).toBe('nothing was written at the time of the swap');
    expect(graph.sent().match(/:before:[^]{0,80}MATCH/g)).toBeNull();
    expect(run.summary.exitCode).toBe(0);
  });

  it('waits until nothing was written for a while, and says so where that does not come', async () => {
    const store = await GraphStore.open(lab.engines.graph);
    const vectors = new VectorStore({ url: lab.engines.vectors.url, apiKey: undefined, timeoutMs: 20_000 });
    const wait = (waitForQuiet: number): Promise<string> =>
      watchWriters.run({
        ...({ options: { waitForQuiet }, graphName: GRAPH, collection: GRAPH } as unknown as StepContext),
        graph: store,
        vectors,
        openGraph: () => GraphStore.open(lab.engines.graph),
        stopSignal: new AbortController().signal,
        progress: () => undefined,
      });
    const writing = setInterval(() => void lab.query('MERGE (t:Tick) SET t.count = timestamp()'), 50);
    try {
      await expect(wait(1)).rejects.toMatchObject({ code: 'not-quiet', exitCode: 1 });
    } finally {
      clearInterval(writing);
    }
    expect(await wait(20)).toContain('nothing was written for 5 s');
    store.close();
    vectors.close();
  });

  it('says that other clients cannot be seen, where that is not allowed', async () => {
    await lab.redis('ACL', 'SETUSER', 'blind', 'on', '>blind', '~*', '+@all', '-client');
    const env = { FALKORDB_USERNAME: 'blind', FALKORDB_PASSWORD: 'blind' };
    await lab.damage('graph-lost');
    const run = await recover([], { env });
    expect(detailOf(run, 'watch-writers')).toContain('CLIENT LIST is not allowed');
    expect(run.summary.failure).toBeUndefined();
  });
});
