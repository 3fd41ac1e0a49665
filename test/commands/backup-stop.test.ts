import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { loadBackupCommand } from '../../src/commands/backup.js';
import { daemonJobs } from '../../src/commands/daemon/jobs.js';
import { Interrupted } from '../../src/failure.js';
import { writeStore } from '../backup/sqlite/store.js';
import { testContext, type TestContext } from '../support/context.js';

let root = '';
let server: Server;
let port = 0;
let asked = Promise.withResolvers<null>();
const sockets = new Set<Socket>();

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'lifeboat-stop-'));
  asked = Promise.withResolvers<null>();
  // It takes every connection, and never answers.
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => asked.resolve(null));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
  rmSync(root, { recursive: true, force: true });
});

function silent(): TestContext {
  return testContext({
    cwd: root,
    env: {
      ...{ HOME: root, AUTOMEM_BACKUP_DIR: join(root, 'backups'), LIFEBOAT_STATE: join(root, 'state') },
      ...{ FALKORDB_HOST: '127.0.0.1', FALKORDB_PORT: '1', QDRANT_URL: 'http://127.0.0.1:1' },
      ...{ AUTOMEM_S3_BUCKET: 'silent', AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` },
      ...{ AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' },
    },
  });
}

// Left alone, each of them waits for minutes.
it.each([
  'create --source sqlite:store.db --to both',
  'verify --source sqlite --at s3',
  'verify latest',
  'restore --source sqlite:store.db --dry-run',
  'list',
  'show latest',
  'prune --dry-run',
  'pin latest',
  'salvage latest --output saved',
])('`backup %s` ends when it is stopped while a bucket is silent', async (words) => {
  writeStore(join(root, 'store.db'));
  const context = silent();
  const args = words.split(' ');
  const program = new Command('lifeboat').exitOverride();
  (await loadBackupCommand(args[0]))(program, context);
  const done = program.parseAsync(['backup', ...args], { from: 'user' }).catch((error: unknown) => error);
  await Promise.race([asked.promise, done]);
  context.interrupt();
  expect(await done).toBeInstanceOf(Interrupted);
  expect(context.stderr).toContain('Stopping;');
  expect(
    readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => /partial|\.gz/.test(name)),
  ).toEqual([]);
});

it.each(['verify', 'prune'] as const)('the job %s of the daemon ends when it is stopped', async (job) => {
  const stop = new AbortController();
  const run = daemonJobs(silent())[job];
  const done = run({ signal: stop.signal, request: null }).catch((error: unknown) => error);
  await Promise.race([asked.promise, done]);
  stop.abort(new Interrupted());
  expect(await done).toBeInstanceOf(Interrupted);
});

it('a second signal is left to the system', async () => {
  const context = silent();
  const listeners = new Set<() => void>();
  const onInterrupt = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const program = new Command('lifeboat').exitOverride();
  (await loadBackupCommand('list'))(program, { ...context, onInterrupt });
  const done = program.parseAsync(['backup', 'list'], { from: 'user' }).catch((error: unknown) => error);
  await asked.promise;
  for (const listener of [...listeners]) listener();
  expect(listeners.size).toBe(0);
  expect(await done).toBeInstanceOf(Interrupted);
});
