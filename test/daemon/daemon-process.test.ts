import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';

import type { DaemonEvent } from '../../src/daemon/events.js';
import type { DaemonState } from '../../src/daemon/state.js';

let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-daemon-'));
  // No hour that strikes meanwhile starts anything.
  const off = ['backup', 'verify', 'prune', 'drift', 'drill'].map((job) => `  ${job}: 'off'\n`).join('');
  writeFileSync(join(folder, 'lifeboat.config.yaml'), `schedule:\n${off}`);
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A daemon in a process of its own, and what it says. */
class Child {
  readonly process: ChildProcess;
  readonly events: DaemonEvent[] = [];
  errors = '';
  private readonly lines: Interface;

  constructor(manners: 'polite' | 'deaf') {
    const script = join(import.meta.dirname, 'start-child.ts');
    this.process = spawn(process.execPath, ['--import', 'tsx', script, folder, manners], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(this.process);
    const { stdout, stderr } = this.process;
    if (stdout === null || stderr === null) throw new Error('no pipes');
    stderr.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    this.lines = createInterface({ input: stdout });
    this.lines.on('line', (line) => this.events.push(JSON.parse(line) as DaemonEvent));
  }

  async until<T extends DaemonEvent['type']>(type: T): Promise<DaemonEvent & { type: T }> {
    for (;;) {
      const event = this.events.find((each) => each.type === type);
      if (event !== undefined) return event as DaemonEvent & { type: T };
      await once(this.lines, 'line');
    }
  }

  /** Asks for a backup, and waits until it is at work. */
  async atWork(): Promise<string> {
    const { listen } = await this.until('daemon.started');
    const answer = await fetch(`http://${listen ?? ''}/api/backup/now`, {
      method: 'POST',
      headers: { 'x-api-key': 'write-key' },
    });
    expect(answer.status).toBe(202);
    await this.until('job.started');
    return listen ?? '';
  }

  async exit(): Promise<number | null> {
    if (this.process.exitCode === null) await once(this.process, 'exit');
    return this.process.exitCode;
  }
}

const state = (): DaemonState =>
  JSON.parse(readFileSync(join(folder, 'state', 'daemon.json'), 'utf8')) as DaemonState;

it('asks the job in hand to end on SIGTERM, waits for it, says so, and ends with 0', async () => {
  const child = new Child('polite');
  const listen = await child.atWork();
  const second = new Child('polite');
  // While it is at work, no other one starts, and no other backup.
  expect(await second.exit()).toBe(11);
  expect(second.errors).toContain('daemon-running');
  const again = await fetch(`http://${listen}/api/backup/now`, {
    method: 'POST',
    headers: { authorization: 'Bearer write-key' },
  });
  expect(again.status).toBe(409);
  child.process.kill('SIGTERM');
  expect(await child.until('stopping')).toMatchObject({ job: 'backup', waitSeconds: 20 });
  expect(await child.exit()).toBe(0);
  expect(child.events.slice(-2)).toMatchObject([
    { type: 'job.finished', outcome: 'stopped' },
    { type: 'daemon.stopped', leftBehind: null },
  ]);
  expect(child.errors).toBe('');
  expect(state().jobs.backup).toMatchObject({ running: null, runs: 0, failures: 0 });
});

it('ends at once on the second signal, with 130, and knows at the next start what was cut short', async () => {
  const child = new Child('deaf');
  await child.atWork();
  child.process.kill('SIGTERM');
  await child.until('stopping');
  child.process.kill('SIGTERM');
  expect(await child.exit()).toBe(130);
  const next = new Child('polite');
  // The one before is gone, so its hold on the folder is taken at once.
  expect(await next.until('job.finished')).toMatchObject({ job: 'backup', outcome: 'failed' });
  expect(state().jobs.backup).toMatchObject({ running: null, runs: 1, failures: 1 });
  next.process.kill('SIGINT');
  expect(await next.exit()).toBe(0);
});

it('takes over at once from a process that was killed', async () => {
  const child = new Child('deaf');
  await child.atWork();
  child.process.kill('SIGKILL');
  await child.exit();
  const next = new Child('polite');
  await next.until('daemon.started');
  expect(next.events[0]).toMatchObject({
    type: 'notice',
    message: expect.stringContaining('is gone') as string,
  });
});
