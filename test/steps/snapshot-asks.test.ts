import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { straySnapshots } from '../../src/steps/snapshot-asks.js';
import type { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { GRAPH, Lab, payloadOf } from '../support/lab.js';

/** A server that has snapshots of just these names: of other times no server makes one for a test. */
const serverWith = (...names: string[]): VectorStore =>
  ({
    requests: { result: () => Promise.resolve(names.map((name) => ({ name, size: 1 }))) },
  }) as unknown as VectorStore;

const at = '2026-11-01T10:00:00.500Z';
const named = (time: string): string => `memories-1-2026-11-01-${time}.snapshot`;
const edit = { kind: 'collection-edit', collection: GRAPH, snapshot: null } as const;
const NONE: ReadonlySet<string> = new Set();

describe('a snapshot whose name was never noted', () => {
  it.each([
    ['the one of the second of the question', [named('10-00-00')], [named('10-00-00')]],
    ['one that got a number in that second', [named('10-00-00-2')], [named('10-00-00-2')]],
    ['none of another time', [named('09-59-50'), named('10-01-00')], []],
    ['none that was there before', [named('09-59-59')], []],
    ['none that another run noted', [named('10-00-03')], []],
    ['none of two that may be meant', [named('10-00-00'), named('10-00-04')], []],
    ['none with a name of its own', ['mine.snapshot'], []],
  ])('is %s', async (_, there, found) => {
    const change = { ...edit, asked: [{ at, beside: [named('09-59-59')] }] };
    expect(await straySnapshots(serverWith(...there), change, new Set([named('10-00-03')]))).toEqual(found);
  });

  it('is told from the one that was noted later, and from those of a rollback', async () => {
    const asked = [
      { at, beside: [] },
      { at: '2026-11-01T10:05:00.000Z', beside: [named('10-00-01')] },
    ];
    const change = { ...edit, snapshot: named('10-05-00'), undone: [named('10-05-02')], asked };
    const server = serverWith(named('10-00-01'), named('10-05-00'), named('10-05-02'));
    expect(await straySnapshots(server, change, NONE)).toEqual([named('10-00-01')]);
  });
});

describe('runs forget', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.start();
    await lab.fill({ memories: 20 });
    await lab.keep();
  });

  afterAll(() => lab.stop());

  beforeEach(() => lab.reset());

  const snapshots = async (): Promise<string[]> =>
    (await lab.qdrant<{ name: string }[]>('GET', `/collections/${GRAPH}/snapshots`)).map(({ name }) => name);

  /** A repair that is killed once Qdrant has taken its snapshot, and before its name is in the journal. */
  async function killedBeforeName(): Promise<string> {
    await lab.query(`MATCH (m:Memory) WITH m LIMIT 1 SET m.importance = 3.5`);
    await lab.upsert([{ id: '0a000000-0000-4000-8000-000000000001', payload: payloadOf('orphan') }]);
    const { summary } = await lab.run(['repair', '--always', '--json'], {
      onEvent: (event, context) => {
        if (event.type === 'step.started' && event.step === 'safeguard-stores') context.interrupt();
      },
    });
    const path = join(String(lab.env['LIFEBOAT_STATE']), 'runs', summary.run, 'journal.ndjson');
    const lines = readFileSync(path, 'utf8').split('\n');
    const last = lines.findIndex((line) => /"collection-edit".*"phase":"intent"/.test(line));
    expect(last).toBeGreaterThan(0);
    writeFileSync(path, `${lines.slice(0, last + 1).join('\n')}\n`);
    return summary.run;
  }

  it.each([false, true])('frees it, resumed before: %s; and no other one', async (isResumed) => {
    await lab.qdrant('POST', `/collections/${GRAPH}/snapshots?wait=true`);
    const before = await snapshots();
    const run = await killedBeforeName();
    expect(await snapshots()).toHaveLength(before.length + 1);
    if (isResumed) {
      const resumed = await lab.run(['runs', 'resume', run, '--json']);
      expect([resumed.exitCode, resumed.summary.kept]).toEqual([
        0,
        [expect.anything(), expect.stringMatching(/snapshot/)],
      ]);
    }
    const forgotten = await lab.run(['runs', 'forget', run, '--confirm', GRAPH]);
    expect([forgotten.failure, await snapshots()]).toEqual([null, before]);
  });
});
