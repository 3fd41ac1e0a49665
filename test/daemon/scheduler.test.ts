import { describe, expect, it } from 'vitest';

import { parseSchedule } from '../../src/backup/keep/schedule.js';
import { jobWarnings } from '../../src/daemon/health.js';
import { JOBS, forEachJob, type JobResult } from '../../src/daemon/jobs.js';
import { Timetable } from '../../src/daemon/timetable.js';
import { newState, parseState, type DaemonState } from '../../src/daemon/state.js';
import { ExitCode, Failure } from '../../src/failure.js';
import { SchedulerLab } from './scheduler-lab.js';

const WEEK = { backup: '6h', verify: 'daily', prune: 'daily', drift: 'hourly', drill: 'weekly' };
/** A Monday. */
const MONDAY = '2026-11-16T00:00:00.000Z';

describe('a week', () => {
  it('runs every job at each of its times, one at a time, the backup first', async () => {
    let drawn = 0;
    const lab = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-23T00:30:00.000Z',
      schedules: WEEK,
      random: () => (drawn++ % 10) / 10,
    });
    expect(await lab.run()).toBeNull();
    const counts = forEachJob((job) => lab.times(job).length);
    expect(counts).toEqual({ backup: 28, verify: 7, prune: 7, drift: 168, drill: 1 });
    expect(lab.most).toBe(1);
    // The last midnight is a time of all five.
    expect(lab.runs.slice(-5).map(({ job }) => job)).toEqual(JOBS);
    for (const { job, at } of lab.runs) {
      const schedule = parseSchedule(WEEK[job]);
      const planned = schedule.previous(new Date(Date.parse(at) + 1));
      const late = Date.parse(at) - (planned?.getTime() ?? 0);
      // At midnight the others take their turns before it.
      expect(late).toBeLessThanOrEqual(60_000 + (at.slice(11, 13) === '00' ? 8 * 60_000 : 2 * 60_000));
    }
    expect(lab.state.jobs.drift).toMatchObject({ runs: 168, failures: 0, lastFailure: null });
    expect(lab.events.filter(({ type }) => type === 'clock.jumped')).toEqual([]);
    expect(lab.saves).toBeGreaterThan(2 * 211);
  });
});

describe('jitter', () => {
  const at = (random: number, schedules: Partial<Record<string, string>>) =>
    new Timetable(
      forEachJob((job) => parseSchedule(schedules[job] ?? 'off')),
      { maxMs: 60_000, random: () => random },
    );

  it('is never before the time, and never above its limit or half the interval', () => {
    const due = (random: number, text: string): number => {
      const next = at(random, { backup: text }).nextOf('backup', new Date(MONDAY));
      return (next?.due.getTime() ?? 0) - (next?.planned.getTime() ?? 0);
    };
    expect(due(0, '6h')).toBe(0);
    expect(due(0.9999, '6h')).toBe(59_994);
    expect(due(0.9999, '30s')).toBe(14_998);
    expect(due(0.5, '0 3 * * *')).toBe(30_000);
  });

  it('keeps jobs of the same time in their order, also where one has a short interval', () => {
    const timetable = at(0.9, { backup: 'hourly', drift: '1m' });
    const late = new Date(Date.parse(MONDAY) + 59 * 60_000);
    expect(timetable.nextOf('backup', late)).toEqual(timetable.nextOf('drift', late));
    expect(timetable.nextOf('drift', late)?.due.toISOString()).toBe('2026-11-16T01:00:27.000Z');
  });
});

describe('what was asked for', () => {
  it('is done at the next start where the daemon was stopped, as it was asked for', async () => {
    const request = { to: 'local', only: 'graph' } as const;
    const stop = new AbortController();
    const until = '2026-11-16T09:00:00.000Z';
    const lab = new SchedulerLab({
      ...{ start: MONDAY, until },
      work: () => {
        stop.abort();
        throw new Error('stopped');
      },
    });
    lab.scheduler.requestBackup(request);
    expect(await lab.run(stop.signal)).toBeNull();
    expect(lab.events).toContainEqual(expect.objectContaining({ type: 'job.finished', outcome: 'stopped' }));
    const asked: unknown[] = [];
    const next = new SchedulerLab({
      ...{ start: '2026-11-16T08:00:00.000Z', until },
      state: parseState(JSON.stringify(lab.state)) as DaemonState,
      work: (_, order) => {
        asked.push(order.request);
        return { ok: true, summary: '' };
      },
    });
    await next.run();
    expect(asked).toEqual([request]);
    expect(next.state.jobs.backup.asked).toBeNull();
  });
});

describe('what was missed', () => {
  it('runs once after three days, the backup first, and then at its times', async () => {
    const state = newState(new Date('2026-11-16T01:00:10Z'));
    const lab = new SchedulerLab({
      start: '2026-11-19T01:30:00.000Z',
      until: '2026-11-19T03:10:00.000Z',
      schedules: WEEK,
      state,
    });
    await lab.run();
    expect(lab.runs.slice(0, 4).map(({ job }) => job)).toEqual(['backup', 'verify', 'prune', 'drift']);
    expect(lab.times('backup')).toEqual(['19T01:30:00']);
    expect(lab.times('drift')).toEqual(['19T01:37:10', '19T02:00:30', '19T03:00:30']);
    expect(lab.times('drill')).toEqual([]);
    expect(lab.events).toContainEqual(
      expect.objectContaining({ type: 'job.queued', job: 'drift', for: 'missed', times: 72 }),
    );
  });

  it('is nothing where the daemon starts for the first time', async () => {
    const lab = new SchedulerLab({
      start: '2026-11-16T05:00:00Z',
      until: '2026-11-16T05:59:00Z',
      schedules: WEEK,
    });
    await lab.run();
    expect(lab.runs).toEqual([]);
  });

  it('runs once where a job took longer than the interval of another', async () => {
    const lab = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T12:40:00.000Z',
      schedules: { backup: '6h', drift: 'hourly' },
      work: (job, _, clock) => {
        if (job === 'backup') clock.pass(5.5 * 3_600_000);
        return { ok: true, summary: '' };
      },
    });
    await lab.run();
    expect(lab.times('backup')).toEqual(['16T06:00:30', '16T12:00:30']);
    // The drift of 06:00 waited, and stands for those until 11:00.
    expect(lab.times('drift').slice(4)).toEqual(['16T05:00:30', '16T11:32:30']);
  });

  it('runs once where a job took longer than its own interval', async () => {
    const lab = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T05:50:00.000Z',
      schedules: { backup: 'hourly' },
      work: (_, __, clock) => {
        if (lab.runs.length === 1) clock.pass(2.5 * 3_600_000);
        return { ok: true, summary: '' };
      },
    });
    await lab.run();
    expect(lab.times('backup')).toEqual(['16T01:00:30', '16T03:32:30', '16T04:00:30', '16T05:00:30']);
    expect(lab.events).toContainEqual(
      expect.objectContaining({ type: 'job.queued', job: 'backup', for: 'due', times: 2 }),
    );
  });
});

describe('a job that fails', () => {
  it('is tried once more after five minutes, then at its next time, and recovers', async () => {
    let runs = 0;
    const lab = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T18:10:00.000Z',
      schedules: { backup: '6h' },
      work: () => {
        if (++runs <= 3) throw new Failure(facts('the bucket s3cret is away', ExitCode.unreachable));
        return { ok: true, summary: 'made', bytes: 7, timestamp: '20261116_180000' };
      },
    });
    await lab.run();
    expect(lab.times('backup')).toEqual(
      ['16T06:00:30', '16T06:07:30', '16T12:00:30', '16T12:07:30'].concat('16T18:00:30'),
    );
    expect(lab.state.jobs.backup).toMatchObject({ runs: 5, failures: 3, bytes: 7, retryAt: null });
    expect(lab.state.jobs.backup.lastFailure?.message).toContain('the bucket *** is away');
    expect(JSON.stringify(lab.events)).not.toContain('s3cret');
    expect(Date.parse(lab.state.jobs.backup.lastSuccess ?? '')).toBe(Date.parse('2026-11-16T18:02:30Z'));
  });

  it('is not tried again where the settings are wrong, or its own next time is sooner', async () => {
    const wrong = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T11:00:00.000Z',
      schedules: { backup: '6h' },
      work: () => Promise.reject(new Failure(facts('no bucket is set', ExitCode.usage))),
    });
    await wrong.run();
    expect(wrong.times('backup')).toEqual(['16T06:00:30']);
    const often = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T00:10:00.000Z',
      schedules: { drift: '4m' },
      work: () => ({ ok: false, summary: 'no' }),
    });
    await often.run();
    expect(often.times('drift')).toEqual(['16T00:04:30', '16T00:08:30']);
  });

  it('does not end the daemon by a bug', async () => {
    const lab = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T02:10:00.000Z',
      schedules: { drift: 'hourly' },
      work: () => {
        throw new TypeError('x is undefined');
      },
    });
    await lab.run();
    expect(lab.state.jobs.drift).toMatchObject({ runs: 4, failures: 4 });
    expect(lab.state.jobs.drift.lastFailure?.message).toBe('This is a bug in Lifeboat: x is undefined');
  });
});

describe('a job that hangs', () => {
  const hanging = (job: string, signal: AbortSignal, manners: 'polite' | 'deaf'): Promise<JobResult> =>
    new Promise((resolve, reject) => {
      if (job !== 'backup') resolve({ ok: true, summary: 'fine' });
      else if (manners === 'polite') signal.addEventListener('abort', () => reject(signal.reason as Error));
    });

  it.each(['polite', 'deaf'] as const)(
    'is ended at its limit, counts as failed, and the next ones run: %s',
    async (manners) => {
      const lab = new SchedulerLab({
        start: MONDAY,
        until: '2026-11-16T08:07:00.000Z',
        schedules: { backup: '6h', verify: '6h' },
        limitMs: 2 * 3_600_000,
        work: (job, { signal }) => hanging(job, signal, manners),
      });
      expect(await lab.run()).toBe(manners === 'deaf' ? 'backup' : null);
      const late = manners === 'deaf' ? '00' : '30';
      expect(lab.times('verify')).toEqual([`16T08:0${manners === 'deaf' ? 3 : 2}:${late}`]);
      expect(lab.state.jobs.backup).toMatchObject({ failures: 1, running: null, lastSuccess: null });
      const message = lab.state.jobs.backup.lastFailure?.message ?? '';
      expect(message).toContain(
        'it was not done after 2h, its limit (limits.backup in lifeboat.config.yaml)',
      );
      expect(message.includes('is left behind')).toBe(manners === 'deaf');
      expect(lab.most).toBe(manners === 'deaf' ? 2 : 1);
    },
  );

  it('is not told as failed where it came to its end after all', async () => {
    const lab = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T09:00:00.000Z',
      schedules: { backup: '6h' },
      limitMs: 2 * 3_600_000,
      work: (_, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve({ ok: true, summary: 'just in time' }));
        }),
    });
    await lab.run();
    expect(lab.state.jobs.backup).toMatchObject({ runs: 1, failures: 0, summary: 'just in time' });
  });
});

describe('a job in whose way a recovery is', () => {
  const held = (): never => {
    throw new Failure(facts('the run r is at work on it', ExitCode.leaseHeld));
  };

  it('is put off and tried again soon, and no failure', async () => {
    let runs = 0;
    const lab = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T06:30:00.000Z',
      schedules: { backup: '6h' },
      work: () => (++runs <= 3 ? held() : { ok: true, summary: 'made' }),
    });
    lab.clock.onWait = (now) => {
      if (now.toISOString() > '2026-11-16T06:06' && runs === 2)
        expect(jobWarnings(lab.scheduler.view())).toEqual([
          'the backup is put off since 2026-11-16T06:00:30.000Z: a recovery is at work',
        ]);
    };
    await lab.run();
    expect(lab.times('backup')).toEqual(['16T06:00:30', '16T06:04:30', '16T06:08:30', '16T06:12:30']);
    expect(lab.state.jobs.backup).toMatchObject({
      ...{ runs: 1, failures: 0, lastFailure: null, postponed: 3, postponedSince: null, summary: 'made' },
    });
    const told = lab.events.flatMap((event) =>
      event.type === 'job.finished' ? [event.outcome] : event.type === 'job.queued' ? [event.for] : [],
    );
    expect(told).toEqual(
      ['due', 'postponed', 'postponed', 'postponed'].concat(['postponed', 'postponed', 'postponed', 'done']),
    );
  });

  it('fails once it is late, and is tried again until the recovery has ended', async () => {
    let runs = 0;
    const lab = new SchedulerLab({
      start: MONDAY,
      until: '2026-11-16T06:50:00.000Z',
      schedules: { backup: '6h' },
      isLate: (now) => now.toISOString() > '2026-11-16T06:05',
      work: () => (++runs <= 4 ? held() : { ok: true, summary: 'made' }),
    });
    await lab.run();
    expect(lab.times('backup')).toEqual(
      ['16T06:00:30', '16T06:04:30', '16T06:11:30', '16T06:18:30'].concat('16T06:25:30'),
    );
    expect(lab.state.jobs.backup).toMatchObject({ runs: 4, failures: 3, postponed: 1, postponedSince: null });
    expect(lab.state.jobs.backup.lastFailure?.message).toMatch(
      /put off since 2026-11-16T06:00:30.*, and now too late: .*the run r is at work/,
    );
  });

  it('fails where nobody would come back to it: half a backup that was asked for', async () => {
    const lab = new SchedulerLab({
      start: '2026-11-16T04:30:00Z',
      until: '2026-11-16T05:30:00Z',
      schedules: { backup: '6h' },
      work: held,
    });
    lab.clock.onWait = () => {
      if (lab.runs.length === 0) lab.scheduler.requestBackup({ to: null, only: 'graph' });
    };
    await lab.run();
    expect(lab.state.jobs.backup).toMatchObject({ runs: 1, failures: 1, postponed: 0 });
  });
});

describe('a clock that jumps', () => {
  it('forward runs each job once, and says so', async () => {
    const lab = new SchedulerLab({
      start: '2026-11-16T01:30:00Z',
      until: '2026-11-19T03:10:00Z',
      schedules: WEEK,
    });
    lab.clock.onWait = (now) => {
      if (now.toISOString().startsWith('2026-11-16T01:3')) lab.clock.set('2026-11-19T01:30:00Z');
    };
    await lab.run();
    // The first time of the drift check was sooner.
    expect(lab.times('backup')).toEqual(['19T01:30:20']);
    expect(lab.times('drift')).toEqual(['19T01:30:00', '19T02:00:30', '19T03:00:30']);
    expect(lab.events).toContainEqual({ type: 'clock.jumped', seconds: 3 * 86_400 - 60 });
  });

  it('back goes on at once by the new time, each time once', async () => {
    const lab = new SchedulerLab({
      start: '2026-11-16T11:30:00Z',
      until: '2026-11-16T12:10:00Z',
      schedules: WEEK,
    });
    let jumped = false;
    lab.clock.onWait = (now) => {
      if (jumped || !now.toISOString().startsWith('2026-11-16T12:0')) return;
      jumped = lab.runs.length > 1;
      if (jumped) lab.clock.set('2026-11-16T07:20:00Z');
    };
    await lab.run();
    const after = ['16T08:00:30', '16T09:00:30', '16T10:00:30', '16T11:00:30', '16T12:02:30'];
    expect(lab.times('drift')).toEqual(['16T12:02:30', ...after]);
    expect(lab.times('backup')).toEqual(['16T12:00:30', '16T12:00:30']);
  });

  it('back by a second runs nothing a second time', async () => {
    const lab = new SchedulerLab({
      start: '2026-11-16T11:59:00Z',
      until: '2026-11-16T12:30:00Z',
      schedules: { prune: 'hourly' },
      random: () => 0,
    });
    lab.clock.onWait = (now) => {
      if (lab.runs.length === 1 && lab.saves < 9) {
        lab.saves = 9;
        lab.clock.set(new Date(now.getTime() - 71_000).toISOString());
      }
    };
    await lab.run();
    expect(lab.times('prune')).toEqual(['16T12:00:00']);
  });
});

describe('an end', () => {
  it('asks the job in hand to stop, waits for it, and makes up for it at the next start', async () => {
    const stop = new AbortController();
    const lab = new SchedulerLab({
      start: '2026-11-16T05:30:00Z',
      until: '2026-11-17T00:00:00Z',
      schedules: { backup: '6h' },
      work: (_, { signal }) => {
        stop.abort();
        expect(signal.aborted).toBe(true);
        return Promise.reject(new Error('half of it was removed'));
      },
    });
    expect(await lab.run(stop.signal)).toBeNull();
    expect(lab.events.map(({ type }) => type)).toEqual([
      'job.queued',
      'job.started',
      'stopping',
      'job.finished',
    ]);
    expect(lab.state.jobs.backup).toMatchObject({ runs: 0, failures: 0, running: null });
    const next = new SchedulerLab({
      start: '2026-11-16T06:30:00Z',
      until: '2026-11-16T07:00:00Z',
      schedules: { backup: '6h' },
      state: lab.state,
    });
    await next.run();
    expect(next.times('backup')).toEqual(['16T06:30:00']);
  });

  it('leaves a job behind that does not end within the limit, and says which', async () => {
    const stop = new AbortController();
    const lab = new SchedulerLab({
      start: '2026-11-16T05:30:00Z',
      until: '2026-11-17T00:00:00Z',
      schedules: { drill: 'hourly' },
      work: () => {
        stop.abort();
        return new Promise(() => undefined);
      },
    });
    expect(await lab.run(stop.signal)).toBe('drill');
    expect(lab.events).toContainEqual({ type: 'stopping', job: 'drill', waitSeconds: 30 });
    expect(lab.state.jobs.drill.running).not.toBeNull();
  });

  it('by a kill is a failure of the job in hand, which is tried again after a pause', async () => {
    const state = newState(new Date('2026-11-16T05:00:00Z'));
    state.jobs.backup.running = {
      id: 'backup-1',
      since: '2026-11-16T06:00:30.000Z',
      handledBefore: '2026-11-16T05:00:00.000Z',
      retryBefore: null,
    };
    const lab = new SchedulerLab({
      start: '2026-11-16T06:20:00Z',
      until: '2026-11-16T07:00:00Z',
      schedules: { backup: '6h' },
      state,
    });
    await lab.run();
    expect(lab.times('backup')).toEqual(['16T06:25:00']);
    expect(lab.state.jobs.backup).toMatchObject({ runs: 2, failures: 1 });
    expect(lab.state.jobs.backup.lastFailure?.message).toMatch(/cut short/);
  });
});

describe('a backup that is asked for', () => {
  it('runs at once, one at a time, and stands for the next scheduled one only where that was due', async () => {
    const answers: (string | null)[] = [];
    const lab = new SchedulerLab({
      start: '2026-11-16T04:30:00Z',
      until: '2026-11-16T06:30:00Z',
      schedules: { backup: '6h' },
      work: (_, { request }) => {
        if (request !== null) answers.push(lab.scheduler.requestBackup({ to: null, only: null }));
        return { ok: true, summary: request?.only ?? 'whole', bytes: request?.only === 'graph' ? 1 : 2 };
      },
    });
    lab.clock.onWait = () => {
      if (answers.length > 0) return;
      answers.push(lab.scheduler.requestBackup({ to: null, only: 'graph' }));
      answers.push(lab.scheduler.requestBackup({ to: null, only: null }));
    };
    await lab.run();
    expect(answers).toEqual([expect.stringMatching(/^backup-20261116T0431/), null, null]);
    expect(lab.times('backup')).toEqual(['16T04:31:00', '16T06:00:30']);
    // Half a backup is no success of the job.
    expect(lab.state.jobs.backup).toMatchObject({ runs: 2, bytes: 2 });
  });
});

function facts(reason: string, exitCode: ExitCode): ConstructorParameters<typeof Failure>[0] {
  return { operation: 'back up', subject: 'x', reason, hint: 'h', exitCode, code: 'c' };
}
