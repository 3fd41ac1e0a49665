import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

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

/** Holds a request back until it is let go. */
function gate(): { hold: () => Promise<void>; reached: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  let arrive = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  const hold = (): Promise<void> => {
    arrive();
    return opened;
  };
  return { hold, reached, open };
}

it('ends before its first change where the lease it could not see is held by another run', async () => {
  await lab.damage('graph-empty');
  const first = await proxyTo(lab.engines.graph);
  const second = await proxyTo(lab.engines.graph);
  const { hold, reached, open } = gate();
  first.when(/rename[^]*exec/i, hold);
  const one = lab.recover(['rebuild-graph'], { env: { FALKORDB_PORT: String(first.port) } });
  await reached;
  second.mute();
  const other = await lab.recover(['rebuild-graph'], {
    env: { FALKORDB_PORT: String(second.port), LIFEBOAT_STATE: `${lab.folder}/other-state` },
    onEvent: (event) => {
      if (event.type === 'notice' && event.message.includes('cannot be kept')) second.drop();
    },
  });
  open();
  expect(other.exitCode).toBe(11);
  expect(other.summary.failure?.code).toBe('lease-lost');
  expect(other.summary.failure?.message).toContain('another recovery is under way');
  expect((await one).exitCode).toBe(0);
  const kept = (await lab.keys()).filter((key) => key.includes(':before:'));
  expect(kept).toHaveLength(1);
});

it('refuses a second graph that shares the collection of a run', async () => {
  await lab.redis('GRAPH.COPY', GRAPH, 'other');
  await lab.damage('vectors-empty');
  const { hostname, port } = new URL(lab.engines.vectors.url);
  const proxy = await proxyTo({ host: hostname, port: Number(port) });
  const { hold, reached, open } = gate();
  proxy.when(/PUT \/collections\/memories\/points/, hold);
  const env = { QDRANT_URL: `http://127.0.0.1:${proxy.port}` };
  const one = lab.recover(['reembed-vectors'], { env });
  await reached;
  const other: CommandRun = await lab.run(['recover', 'reembed-vectors', '--json', '--confirm', 'other'], {
    env: { ...env, FALKORDB_GRAPH: 'other' },
  });
  open();
  expect(other.exitCode).toBe(11);
  expect((await one).exitCode).toBe(0);
});

it('does not take a memory that was stored while it waited for the restored volume', async () => {
  await lab.damage('graph-empty');
  let isStored = false;
  const run = await lab.recover(['restore-volume', '--wait', '5s'], {
    onEvent: (event) => {
      if (isStored || event.type !== 'notice' || !/empty|no graph/.test(event.message)) return;
      isStored = true;
      void lab.query("CREATE (:Memory {id: 'bbbbbbbb-0000-4000-8000-000000000011', content: 'stored'})");
    },
  });
  expect(isStored).toBe(true);
  expect(run.exitCode).toBe(10);
  expect(run.summary.failure?.message).toContain('holds one memory, of about 60 that are expected');
});
