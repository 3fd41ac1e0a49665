import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { compareVectors, readVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import { Lab, type CommandRun } from '../support/lab.js';

/** Fields that AutoMem writes into a payload on some of its ways only; a recovery writes them always. */
const OFTEN_LEFT_OUT = new Set([
  'tag_prefixes',
  't_valid',
  't_invalid',
  'relevance_score',
  'archived',
  'last_accessed',
]);

let lab: Lab;
let before: GraphSnapshot;
let vectorsBefore: VectorSnapshot;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
  before = await lab.snapshot();
  vectorsBefore = await readVectors(lab.stores.vectors);
});

afterAll(async () => {
  await Promise.all([before.close(), vectorsBefore.close()]);
  await lab.stop();
});

beforeEach(async () => {
  await lab.reset();
  await lab.damage('vectors-lost');
});

afterEach(() => lab.redis('ACL', 'DELUSER', 'ann'));

/** Brings the vectors back, all of them from the backup, as a user with these rights only. */
async function reembedAs(rights: string[], args: string[] = []): Promise<CommandRun> {
  await lab.redis('ACL', 'SETUSER', 'ann', 'reset', 'on', '>ann-pw', '~*', '+@all', ...rights);
  const env = { FALKORDB_USERNAME: 'ann', FALKORDB_PASSWORD: 'ann-pw' };
  return lab.recover(['reembed-vectors', ...args], { env });
}

/** What the run said besides its steps, and what the look for writers came to. */
function told(run: CommandRun): string {
  return run.events
    .flatMap((event) => {
      if (event.type === 'notice') return [event.message];
      return event.type === 'step.finished' && event.step === 'watch-writers' ? [event.detail] : [];
    })
    .join('\n');
}

describe('a user who may not begin a transaction, where only vectors are written', () => {
  const users: [string, string[]][] = [
    ['WATCH alone is missing', ['-watch']],
    ['MULTI alone is missing', ['-multi']],
    ['EXEC alone is missing', ['-exec']],
    [
      'all that only reads is allowed',
      ['-@all', '+@read', '+@connection', '+info', '+graph.list', '+graph.ro_query'],
    ],
  ];
  it.each(users)('%s: the vectors come back, and what could not be seen is said', async (_, rights) => {
    const run = await reembedAs(rights);
    expect(run.summary.failure).toBeUndefined();
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0, quarantined: 0, losses: [] });
    expect(told(run)).toMatch(/whether the graph is written to cannot be seen: WATCH, MULTI and EXEC/);
    expect(told(run)).toMatch(/The lease cannot be kept in the graph server .*NOPERM/);
    expect(told(run)).toMatch(/The lease is kept in .*leases/);
    expect(await lab.differences(before)).toEqual([]);
    const now = await readVectors(lab.stores.vectors);
    const { equal, settings, examples } = await compareVectors(vectorsBefore, now, {
      mayGain: OFTEN_LEFT_OUT,
    });
    await now.close();
    expect({ equal, settings, examples }).toEqual({ equal: true, settings: [], examples: [] });
  });

  it('is refused before anything is touched where the run was to wait until nothing is written', async () => {
    const run = await reembedAs(['-multi'], ['--wait-for-quiet', '1m']);
    expect(run.summary).toMatchObject({ outcome: 'failed', exitCode: 1, failure: { code: 'forbidden' } });
    expect(run.summary.failure?.message).toContain('cannot be seen');
    expect(run.summary.failure?.hint).toMatch(/^Nothing was changed\. Allow WATCH, MULTI and EXEC/);
    expect(run.events.filter(({ type }) => type === 'step.started')).toHaveLength(1);
    await expect(lab.points()).rejects.toThrow('404');
    expect(await lab.leftovers()).toEqual([]);
  });
});
