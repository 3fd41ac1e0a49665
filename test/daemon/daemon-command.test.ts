import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { addDaemonCommand } from '../../src/commands/daemon.js';
import { Failure } from '../../src/failure.js';
import { testContext, type TestContext } from '../support/context.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-daemon-command-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function context(env: Record<string, string> = {}): TestContext {
  return testContext({
    env: { HOME: folder, LIFEBOAT_STATE: join(folder, 'state'), ...env },
    cwd: folder,
  });
}

async function daemon(on: TestContext, ...flags: string[]): Promise<void> {
  const program = new Command().exitOverride().configureOutput({ writeErr: (text) => on.err(text) });
  addDaemonCommand(program, on);
  await program.parseAsync(['daemon', ...flags], { from: 'user' });
}

/** Interrupts as soon as it has said that it is there. */
async function once(on: TestContext, ...flags: string[]): Promise<void> {
  await during(on, flags, () => Promise.resolve());
}

async function during(on: TestContext, flags: string[], look: () => Promise<void>): Promise<void> {
  const ended = daemon(on, ...flags);
  while (!on.stdout.includes('daemon.started') && !on.stdout.includes('daemon, process'))
    await new Promise((resolve) => setTimeout(resolve, 10));
  try {
    await look();
  } finally {
    on.interrupt();
    await ended;
  }
}

describe('lifeboat daemon', () => {
  it('says which jobs run when, and stops with 0', async () => {
    writeFileSync(join(folder, 'lifeboat.config.yaml'), 'schedule:\n  backup: "0 3 * * *"\n  drift: off\n');
    const on = context();
    await once(on, '--no-http', '--jitter', '0s');
    expect(on.stdout).toMatch(/Z lifeboat 0\.0\.0-test daemon, process \d+, without HTTP$/m);
    expect(on.stdout).toMatch(
      /Z {3}backup {2}by the cron line "0 3 \* \* \*" \(UTC\); last never; next \d{4}-\d\d-\d\d 03:00:00 UTC$/m,
    );
    expect(on.stdout).toMatch(/Z {3}verify {2}every day at 00:00 UTC; last never; next .* 00:00:00 UTC$/m);
    expect(on.stdout).toMatch(/Z {3}drift {3}off$/m);
    expect(on.stdout).toMatch(/Z stopping\n.*Z stopped\n$/);
    expect(on.exitCode).toBe(0);
  });

  it('prints one JSON object a line, with the port that it took', async () => {
    const on = context();
    await once(on, '--listen', '127.0.0.1:0', '--json');
    const lines = on.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ type }) => type)).toEqual(['daemon.started', 'stopping', 'daemon.stopped']);
    expect(lines[0]?.['listen']).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(lines[0]?.['time']).toMatch(/Z$/);
  });

  it('serves its own health, metrics and jobs', async () => {
    const on = context({ LIFEBOAT_READ_KEY: 'read-key' });
    await during(on, ['--listen', '127.0.0.1:0', '--json'], async () => {
      const { listen } = JSON.parse(on.stdout.split('\n')[0] ?? '') as { listen: string };
      const get = (path: string): Promise<Response> =>
        fetch(`http://${listen}${path}`, { headers: { 'x-api-key': 'read-key' } });
      expect((await get('/healthz')).status).toBe(200);
      expect(await (await get('/metrics')).text()).toContain('lifeboat_healthy 1\n');
      expect(await (await get('/api/backup/status')).json()).toMatchObject({
        status: 'ok',
        version: '0.0.0-test',
        troubles: [],
        running: null,
        queue: [],
        jobs: {
          backup: { schedule: '6h', says: 'every 6 hours from 00:00 UTC', runs: 0, lastSuccess: null },
        },
      });
      expect(await (await get('/api/runs')).json()).toEqual({ status: 'ok', runs: [] });
    });
  });

  it('names a schedule that is none before it begins', async () => {
    writeFileSync(join(folder, 'lifeboat.config.yaml'), 'schedule:\n  verify: now and then\n');
    await expect(daemon(context(), '--no-http')).rejects.toMatchObject({
      exitCode: 2,
      subject: 'schedule.verify in lifeboat.config.yaml: "now and then"',
    });
  });

  it('does not listen where others can reach it without a key', async () => {
    const refused = daemon(context(), '--listen', '0.0.0.0:0');
    await expect(refused).rejects.toMatchObject({ exitCode: 2, code: 'listen-without-keys' });
    const on = context({ LIFEBOAT_READ_KEY: 'a-key-of-16-chars' });
    await once(on, '--listen', '0.0.0.0:0', '--json');
    expect(on.stdout).not.toContain('a-key-of');
  });

  it('refuses what is no address and no length of time', async () => {
    for (const flags of [
      ['--listen', '8787'],
      ['--jitter', '60'],
    ])
      await expect(daemon(context(), ...flags)).rejects.toMatchObject({ code: 'commander.invalidArgument' });
  });

  it('has its state folder for itself', async () => {
    const first = context();
    const ended = daemon(first, '--no-http', '--json');
    while (!first.stdout.includes('daemon.started')) await new Promise((resolve) => setTimeout(resolve, 10));
    const error: unknown = await daemon(context(), '--no-http').catch((reason: unknown) => reason);
    first.interrupt();
    await ended;
    expect(error).toBeInstanceOf(Failure);
    expect(error).toMatchObject({ exitCode: 11, code: 'daemon-running' });
    expect((error as Failure).message).toContain(`process ${process.pid}`);
  });
});
