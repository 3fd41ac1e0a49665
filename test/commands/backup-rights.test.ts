import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Lab } from '../support/lab.js';

interface Created {
  timestamp: string;
  memories: number;
  relationships: number;
  writesMeanwhile: { graph: boolean | null };
}

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60 });
});
afterAll(() => lab.stop());
afterEach(() => lab.redis('ACL', 'DELUSER', 'ann'));

const READER = ['-@all', '+@read', '+@connection', '+info', '+graph.list', '+graph.ro_query'];

describe('a backup by a user who may not watch the graph', () => {
  it.each([
    ['WATCH is missing', ['-watch']],
    ['MULTI is missing', ['-multi']],
    ['all that only reads is allowed', READER],
  ])('%s: it is whole, and does not claim that nothing was written meanwhile', async (_, rights) => {
    await lab.redis('ACL', 'SETUSER', 'ann', 'reset', 'on', '>ann-pw', '~*', '+@all', ...rights);
    const env = { FALKORDB_USERNAME: 'ann', FALKORDB_PASSWORD: 'ann-pw' };
    const made = await lab.run(['backup', 'create', '--json'], { env });
    expect([made.failure, made.exitCode]).toEqual([null, 0]);
    const created = made.events.at(-1) as unknown as Created;
    expect(created.writesMeanwhile).toMatchObject({ graph: null });
    expect([created.memories, created.relationships]).toEqual([
      await lab.value('MATCH (m:Memory) RETURN count(m)'),
      await lab.value('MATCH ()-[r]->() RETURN count(r)'),
    ]);
    expect((await lab.run(['backup', 'verify', created.timestamp, '--json'])).exitCode).toBe(0);
  });

  it('is not made where the graph cannot be read', async () => {
    await lab.redis('ACL', 'SETUSER', 'ann', 'reset', 'on', '>ann-pw', '~*', '+@connection', '+info');
    const env = { FALKORDB_USERNAME: 'ann', FALKORDB_PASSWORD: 'ann-pw' };
    const { failure } = await lab.run(['backup', 'create', '--json'], { env });
    expect(failure).toMatchObject({ exitCode: 1, code: 'forbidden' });
  });
});
