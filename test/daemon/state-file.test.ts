import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { daemonMetrics } from '../../src/daemon/metrics.js';
import { openState, saveState } from '../../src/daemon/state-file.js';
import { SchedulerLab } from './scheduler-lab.js';

const NOW = new Date('2026-11-16T12:00:00Z');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-daemon-state-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('brings counters and times through a restart', async () => {
  const options = {
    schedules: { drift: 'hourly' },
    work: () => ({ ok: true, summary: '', driftPercent: 1.5 }),
  };
  const first = new SchedulerLab({
    start: '2026-11-16T00:10:00Z',
    until: '2026-11-16T03:10:00Z',
    ...options,
  });
  await first.run();
  await saveState(folder, first.state);
  expect(readdirSync(folder)).toEqual(['daemon.json']);
  expect(statSync(join(folder, 'daemon.json')).mode & 0o777).toBe(0o600);

  const { state, aside } = await openState(folder, NOW);
  expect(aside).toBeNull();
  expect(state).toEqual(first.state);
  const second = new SchedulerLab({
    start: '2026-11-16T03:20:00Z',
    until: '2026-11-16T04:10:00Z',
    state,
    ...options,
  });
  const metrics = daemonMetrics('0', () => ({
    view: second.scheduler.view(),
    now: second.clock.now(),
    newest: null,
    isHealthy: true,
  }));
  expect(await metrics.text()).toContain('lifeboat_job_runs_total{job="drift"} 3\n');
  expect(await metrics.text()).toContain('lifeboat_drift_percent 1.5\n');
  await second.run();
  expect(second.times('drift')).toEqual(['16T04:00:30']);
  expect(await metrics.text()).toContain('lifeboat_job_runs_total{job="drift"} 4\n');
});

it('puts a file aside that is no state, keeps it, and begins anew', async () => {
  for (const [index, text] of ['', '{"version":1', '{"version":2}', '[]', '\0\0\0'].entries()) {
    writeFileSync(join(folder, 'daemon.json'), text);
    const { state, aside } = await openState(folder, new Date(NOW.getTime() + index * 1000));
    expect(state.jobs.backup.runs).toBe(0);
    expect(readFileSync(aside?.path ?? '', 'utf8')).toBe(text);
    expect(aside?.reason).not.toBe('');
  }
  expect(readdirSync(folder)).toHaveLength(5);
});

it('refuses a state of which one time is none', async () => {
  const { state } = await openState(folder, NOW);
  state.jobs.drift.handledUntil = 'yesterday';
  await saveState(folder, state);
  expect((await openState(folder, NOW)).aside?.reason).toBe('jobs.drift.handledUntil is not as it must be');
});

it('says in plain words that the folder cannot be used', async () => {
  writeFileSync(join(folder, 'file'), '');
  await expect(openState(join(folder, 'file'), NOW)).rejects.toMatchObject({
    code: 'daemon-state',
    exitCode: 1,
  });
});

it('takes up what a daemon wrote that knew nothing of postponed jobs', async () => {
  const { state } = await openState(folder, NOW);
  const { postponed, postponedSince, ...before } = state.jobs.backup;
  expect([postponed, postponedSince]).toEqual([0, null]);
  const jobs = { ...state.jobs, backup: { ...before, runs: 7 } };
  writeFileSync(join(folder, 'daemon.json'), JSON.stringify({ ...state, jobs }));
  const opened = await openState(folder, NOW);
  expect(opened.aside).toBeNull();
  expect(opened.state.jobs.backup).toMatchObject({ runs: 7, postponed: 0, postponedSince: null });
});
