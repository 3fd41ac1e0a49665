import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { Doubt } from '../../src/commands/run/doubt.js';
import { leaseKey } from '../../src/stores/lease/redis-lease.js';
import { GRAPH, Lab, type CommandRun } from '../support/lab.js';
import { startProxy, type Proxy } from '../support/proxy.js';

let lab: Lab;
let proxies: Proxy[] = [];

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60 });
  await lab.keep();
});

afterAll(async () => {
  await lab.stop();
});

beforeEach(async () => {
  for (const proxy of proxies) await proxy.stop();
  proxies = [];
  await lab.reset();
});

async function proxyTo(server: { host: string; port: number }): Promise<Proxy> {
  const proxy = await startProxy(server);
  proxies.push(proxy);
  return proxy;
}

/** What another run does that takes the lease over. */
async function takeOver(): Promise<void> {
  const record = JSON.parse((await lab.redis('GET', leaseKey(GRAPH))) as string) as { token: number };
  const taken = { ...record, run: 'another-run', token: record.token + 1 };
  await lab.redis('SET', leaseKey(GRAPH), JSON.stringify(taken), 'PX', '30000');
}

function failedStep({ events }: CommandRun): string {
  for (const event of events)
    if (event.type === 'step.finished' && event.outcome === 'failed') return event.detail;
  return '';
}

const memories = (): Promise<unknown> => lab.value('MATCH (m:Memory) RETURN count(m)');

it('changes nothing in the graph with a query that was on its way when the lease was taken over', async () => {
  await lab.query('MATCH (m:Memory) WITH m LIMIT 20 DETACH DELETE m');
  const left = await memories();
  const proxy = await proxyTo(lab.engines.graph);
  proxy.when(/CREATE \(n/, takeOver);
  const run = await lab.run(['repair', '--always', '--json', '--confirm', GRAPH], {
    env: { FALKORDB_PORT: String(proxy.port) },
  });
  expect(await memories()).toBe(left);
  expect(run.exitCode).toBe(11);
  expect(run.summary.failure).toMatchObject({ code: 'lease-lost' });
  expect(run.summary.failure?.message).toContain('run another-run');
  expect(run.summary.failure?.hint).toMatch(/^Nothing more is changed\./);
  expect(failedStep(run)).toContain('the lease is lost: run another-run');
});

it('says what may have been written though the lease was lost', async () => {
  await lab.damage('vectors-empty');
  const { hostname, port } = new URL(lab.engines.vectors.url);
  const proxy = await proxyTo({ host: hostname, port: Number(port) });
  proxy.when(/PUT \/collections\/memories\/points/, async () => {
    await takeOver();
    await sleep(1_200);
  });
  const run = await lab.recover(['restore-backup', '--only', 'vectors'], {
    env: { QDRANT_URL: `http://127.0.0.1:${proxy.port}` },
  });
  expect(run.exitCode).toBe(11);
  expect(run.summary.failure).toMatchObject({ code: 'lease-lost' });
  const { hint } = run.summary.failure ?? { hint: '' };
  expect(hint).toMatch(
    /^Up to \d+ points may still have been written after that\..* lifeboat repair --always/,
  );
  expect(hint).not.toMatch(/nothing was lost|Nothing more is changed|rollback/);
  expect(hint).toMatch(/When no other recovery is under way, go on: lifeboat runs resume \S+$/);
  expect(failedStep(run)).not.toContain('operator');
});

it('ends with 11 also after the swap', async () => {
  await lab.damage('both-lost');
  const { hostname, port } = new URL(lab.engines.vectors.url);
  const proxy = await proxyTo({ host: hostname, port: Number(port) });
  proxy.when(/PUT \/collections\/memories\/points/, async () => {
    await takeOver();
    await sleep(1_200);
  });
  const run = await lab.recover(['restore-backup'], {
    env: { QDRANT_URL: `http://127.0.0.1:${proxy.port}` },
  });
  expect(run.summary.failure).toMatchObject({ code: 'lease-lost' });
  expect(run.summary.failure?.hint).toContain('The new graph is live');
  expect([run.exitCode, run.summary.exitCode]).toEqual([11, 11]);
});

it('counts what had no answer when the lease was last confirmed, and nothing that is proven', () => {
  const doubt = new Doubt();
  const before = performance.now();
  doubt.sending('points', 1_300, before)(false);
  doubt.sending('relationships', 200, before)(true);
  const ended = doubt.sending('nodes', 200, before);
  expect(doubt.since(before)).toBe('1,300 points and 200 nodes');
  const later = performance.now() + 1;
  expect(doubt.since(later)).toBe('200 nodes');
  doubt.sending('points', 5, later);
  ended(true);
  expect(doubt.since(later)).toBe('5 points');
});
