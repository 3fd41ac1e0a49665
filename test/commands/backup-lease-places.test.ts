import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { refuseForeignRecovery } from '../../src/commands/backup/runs-in-use.js';
import { watchLease } from '../../src/commands/backup/watch-lease.js';
import { takeLease } from '../../src/commands/run/lease-places.js';
import { settingsOf } from '../../src/commands/run/settings-of.js';
import { Connections } from '../../src/commands/run/world.js';
import type { Settings } from '../../src/settings/settings.js';
import { thisProcess } from '../../src/recovery/holder.js';
import { fileLease } from '../../src/stores/lease/file-lease.js';
import { leaseName } from '../../src/stores/lease/lease-store.js';
import { testContext } from '../support/context.js';
import { startMoto, type Moto } from '../support/moto.js';

let moto: Moto;
let root: string;

beforeAll(async () => {
  moto = await startMoto();
  root = mkdtempSync(join(tmpdir(), 'lifeboat-lease-places-'));
  const client = new S3Client({
    endpoint: moto.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  await client.send(new CreateBucketCommand({ Bucket: 'leases' }));
  client.destroy();
});

afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await moto.stop();
});

/** Stores that are down, of which a recovery is under way on the machine with this state folder. */
const settings = (state: string, more: Record<string, string> = {}): Promise<Settings> =>
  settingsOf(
    testContext({
      cwd: root,
      env: {
        ...{ HOME: root, LIFEBOAT_STATE: join(root, state), AUTOMEM_BACKUP_DIR: join(root, 'backups') },
        ...{ FALKORDB_HOST: '127.0.0.1', FALKORDB_PORT: '1', FALKORDB_GRAPH: 'memories', ...more },
        ...{ QDRANT_URL: 'http://127.0.0.1:2', QDRANT_COLLECTION: more['COLLECTION'] ?? 'memories' },
      },
    }),
  );

const S3 = (): Record<string, string> => ({
  ...{ AUTOMEM_S3_BUCKET: 'leases', AWS_ENDPOINT_URL_S3: moto.endpoint, AWS_REGION: 'us-east-1' },
  ...{ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' },
});

async function watch(of: Settings): Promise<void> {
  const connections = new Connections(of, () => 0);
  try {
    await watchLease(of, connections.graph);
  } finally {
    connections.close();
  }
}

async function whileRecovering(of: Settings, work: () => Promise<void>): Promise<void> {
  const lease = await takeLease(of, { run: 'run-there', command: 'recover', notice: () => undefined });
  try {
    await work();
  } finally {
    await lease.release();
  }
}

it('sees a recovery of another machine that keeps its lease in the bucket, because the graph server is down', async () => {
  const here = await settings('here', S3());
  await watch(here);
  await whileRecovering(await settings('there', S3()), async () => {
    await expect(watch(here)).rejects.toMatchObject({
      ...{ exitCode: 11, code: 'lease-held' },
      message: expect.stringMatching(/run-there \(recover\).*s3:\/\/leases/) as string,
    });
    await expect(refuseForeignRecovery(here)).rejects.toMatchObject({ exitCode: 11, code: 'lease-held' });
  });
  await watch(here);
});

it('sees one of this machine that keeps it in a file', async () => {
  const here = await settings('here');
  await whileRecovering(await settings('here'), async () => {
    await expect(watch(here)).rejects.toMatchObject({ exitCode: 11, code: 'lease-held' });
  });
  await watch(here);
});

it('tells one that was killed from one at work, and lets it pass where that had changed nothing', async () => {
  const here = await settings('killed');
  const { graph, vectors, folders } = here;
  const name = leaseName([graph.host, graph.port, graph.name, vectors.collection]);
  const time = new Date().toISOString();
  await fileLease(join(folders.state, 'leases'), name).take(
    {
      ...{ ...thisProcess(), pid: spawnSync('true').pid, processStarted: null },
      ...{ run: 'run-killed', command: 'recover', since: time, heartbeat: time, ttlSeconds: 30 },
    },
    null,
  );
  await expect(watch(here)).rejects.toMatchObject({
    ...{ exitCode: 11, code: 'lease-held' },
    reason: `the run run-killed (recover) stopped at ${time}, its process is gone, and it may have left the stores half done`,
    hint: expect.stringContaining('lifeboat runs resume run-killed') as string,
  });
  const folder = join(folders.state, 'runs', 'run-killed');
  mkdirSync(folder, { recursive: true });
  const stores = { graph: 'there', graphName: 'memories', vectors: 'there', collection: 'memories' };
  const header = { entry: 'run', run: 'run-killed', command: 'recover', version: '0', stores };
  const swap = { kind: 'graph-swap', graph: 'memories', replaced: null };
  const journal = (...entries: object[]): void =>
    writeFileSync(
      join(folder, 'journal.ndjson'),
      [{ ...header, request: {}, options: {} }, ...entries]
        .map((entry) => `${JSON.stringify({ time, ...entry })}\n`)
        .join(''),
    );
  journal();
  await watch(here);
  journal({ entry: 'change', phase: 'intent', change: swap });
  await expect(watch(here)).rejects.toMatchObject({ exitCode: 11 });
});

it('sees one of another graph that is at work on the same collection', async () => {
  const here = await settings('here');
  await whileRecovering(await settings('here', { FALKORDB_GRAPH: 'another' }), async () => {
    await expect(watch(here)).rejects.toMatchObject({
      message: expect.stringContaining('collection') as string,
    });
  });
  const elsewhere = await settings('here', { FALKORDB_GRAPH: 'another', COLLECTION: 'another' });
  await whileRecovering(elsewhere, () => watch(here));
});
