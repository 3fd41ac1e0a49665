import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { daemonJobs } from '../../src/commands/daemon/jobs.js';
import { daemonServices } from '../../src/commands/daemon/services.js';
import { settingsOf } from '../../src/commands/run/settings-of.js';
import { systemClock } from '../../src/daemon/clock.js';
import type { JobName, JobResult } from '../../src/daemon/jobs.js';
import { runWithin } from '../../src/daemon/run-within.js';
import type { CommandContext } from '../../src/commands/context.js';
import { testContext } from '../support/context.js';
import { Lab } from '../support/lab.js';
import { startProxy } from '../support/proxy.js';

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60 });
});

afterAll(async () => {
  await lab.stop();
});

const contextOf = (env: Record<string, string> = {}): CommandContext =>
  testContext({ env: { ...lab.env, ...env }, cwd: lab.folder });

function run(job: JobName, env: Record<string, string> = {}): Promise<JobResult> {
  return daemonJobs(contextOf(env))[job]({ signal: new AbortController().signal, request: null });
}

it('backs up, verifies, prunes and compares real stores', async () => {
  const made = await run('backup');
  expect(made).toMatchObject({ ok: true, timestamp: expect.stringMatching(/^\d{8}_\d{6}$/) as string });
  expect(made.bytes).toBeGreaterThan(1000);
  const verified = await run('verify');
  expect(verified).toMatchObject({ ok: true, summary: `${made.timestamp ?? ''} at ${lab.backups} sound` });
  expect(await run('prune')).toMatchObject({ ok: true, summary: expect.stringMatching(/ kept, /) as string });
  expect(await run('drift')).toMatchObject({ ok: true, driftPercent: 0 });
  const context = contextOf();
  const { findNewest, listBackups, listRuns } = daemonServices(context, await settingsOf(context));
  expect(await listBackups()).toMatchObject({ backups: [{ timestamp: made.timestamp }, {}], places: [{}] });
  const seen = await findNewest();
  expect(seen).toMatchObject({ whole: true, newest: { at: expect.stringMatching(/Z$/) as string } });
  expect(seen.newest?.bytes).toBeGreaterThan(1000);
  expect(await listRuns()).toEqual({ runs: [] });
});

it('proves checksums alone where no key is to be, and says so; a key that opens nothing is a failure', async () => {
  const key = await generateIdentity();
  const env = {
    AUTOMEM_BACKUP_DIR: join(lab.folder, 'encrypted'),
    LIFEBOAT_AGE_RECIPIENTS: await identityToRecipient(key),
  };
  await lab.run(['backup', 'create', '--encrypt'], { env });
  expect(await run('verify', env)).toMatchObject({
    ok: true,
    summary: expect.stringMatching(/ at \S+ quick: no key here$/) as string,
  });
  const other = join(lab.folder, 'other.txt');
  writeFileSync(other, `${await generateIdentity()}\n`);
  expect(await run('verify', { ...env, LIFEBOAT_AGE_IDENTITY: other })).toMatchObject({
    ok: false,
    summary: expect.stringContaining(' unproven: Its records could not be read') as string,
  });
  const said = await lab.run(['backup', 'verify'], { env });
  expect(said.exitCode).toBe(3);
  expect(said.stdout).toMatch(/^\? .*: unproven: no key here\n/);
  const json = await lab.run(['backup', 'verify', '--json'], { env });
  expect(json.events.at(-1)).toMatchObject({
    ...{ outcome: 'unproven', exitCode: 3 },
    backups: [{ ok: false, verdict: 'unproven', noKey: true, proven: 'quick' }],
  });
  expect((await lab.run(['backup', 'verify', '--quick'], { env })).exitCode).toBe(0);
  // Nothing speaks against it: it stays the newest backup there is.
  const listed = await lab.run(['backup', 'list'], { env });
  expect(listed.stdout).toMatch(/^timestamp +enc\. [^]* age .* quick, \d+s ago /);
  const context = contextOf(env);
  expect(await daemonServices(context, await settingsOf(context)).findNewest()).toMatchObject({
    newest: { at: expect.any(String) as string },
  });
});

it('does not wait for a store that takes the connection and never answers', async () => {
  const { hostname, port } = new URL(lab.engines.vectors.url);
  const proxy = await startProxy({ host: hostname, port: Number(port) });
  proxy.freeze();
  const context = contextOf({
    QDRANT_URL: `http://${proxy.host}:${proxy.port}`,
    QDRANT_TIMEOUT_SECONDS: '600',
  });
  const { settled, isOverTime, ended } = await runWithin(
    (signal) => daemonJobs(context).backup({ signal, request: null }),
    new AbortController().signal,
    { clock: systemClock, limitMs: 300, stopLimitMs: 100 },
  );
  expect(isOverTime).toBe(true);
  expect(settled === null || 'error' in settled).toBe(true);
  await proxy.stop();
  await ended;
});

it('tells drift as a percentage, and stores that are away as a failure', async () => {
  await lab.damage('vectors-empty');
  expect(await run('drift')).toMatchObject({ ok: true, driftPercent: 100 });
  await expect(run('drift', { FALKORDB_PORT: '1' })).rejects.toMatchObject({
    exitCode: 10,
    code: 'not-compared',
  });
});

it('drills on engines of its own, and leaves the stores as they were', async () => {
  // The engines are looked for as always.
  const { PATH = '', HOME = '' } = process.env;
  const points = await lab.points();
  const before = await lab.snapshot();
  const drilled = await run('drill', { PATH, HOME });
  expect(drilled).toEqual({ ok: true, summary: expect.stringMatching(/^recovered in \d/) as string });
  expect(await lab.points()).toBe(points);
  expect(await lab.differences(before)).toEqual([]);
  await before.close();
});

it('refuses a backup to a bucket that is not set', async () => {
  const context = contextOf();
  const { checkBackup } = daemonServices(context, await settingsOf(context));
  expect(() => checkBackup({ to: 's3', only: null })).toThrow(/no bucket is set/);
  expect(() => checkBackup({ to: 's3', only: null })).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('send {"to": "local"}') as string }),
  );
});
