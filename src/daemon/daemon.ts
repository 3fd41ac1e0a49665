import type { Schedule } from '../backup/keep/schedule.js';
import { systemClock, type Clock } from './clock.js';
import type { Emit, JobTimes } from './events.js';
import { backupTroubles, isLate, jobWarnings } from './health.js';
import type { Keys } from './http/access.js';
import type { ListenAddress } from './http/listen-address.js';
import type { Served } from './http/routes.js';
import { startServer, type RunningServer } from './http/server.js';
import { forEachJob, JOBS, type JobName, type JobRuns } from './jobs.js';
import { daemonMetrics } from './metrics.js';
import { BackupWatch, type BackupsSeen } from './newest-backup.js';
import { Scheduler } from './scheduler.js';
import { openState, saveState } from './state-file.js';
import { Timetable, type Jitter } from './timetable.js';

/** What is served, and where; null for nothing. */
export interface HttpOptions extends Pick<Served, 'listBackups' | 'listRuns' | 'checkBackup'> {
  listen: ListenAddress;
  keys: Keys;
  /** Looks at all places of the backups. May throw a Failure. */
  findNewest: () => Promise<BackupsSeen>;
}

export interface DaemonOptions {
  version: string;
  pid: number;
  /** Absolute; this daemon's alone, which the caller has seen to. */
  stateFolder: string;
  /** Aborts when the folder has become another daemon's: nothing is written to it any more. */
  folderLost: AbortSignal;
  schedules: Readonly<Record<JobName, Schedule>>;
  runs: JobRuns;
  jitter: Jitter;
  http: HttpOptions | null;
  emit: Emit;
  redact: (text: string) => string;
  /** How long each job may take, in milliseconds. */
  limitsMs: Readonly<Record<JobName, number>>;
  /** How long a job that was asked to stop is waited for, in milliseconds. */
  stopLimitMs: number;
  clock?: Clock;
}

/**
 * Runs jobs by their schedules, and serves what is known of them, until the signal aborts.
 *
 * @returns the job that was left behind because it did not end in time; null where all has come to its end
 * @throws Failure where the state folder or the address cannot be used
 */
export async function runDaemon(options: DaemonOptions, signal: AbortSignal): Promise<JobName | null> {
  const { clock = systemClock, emit, stateFolder } = options;
  const timetable = new Timetable(options.schedules, options.jitter);
  const { state, aside } = await openState(stateFolder, clock.now());
  if (aside !== null) emit({ type: 'state.anew', aside: aside.path, reason: aside.reason });
  const watch = new BackupWatch(options.http?.findNewest ?? notAsked, clock);
  const scheduler = new Scheduler({
    ...options,
    emit: (event) => {
      emit(event);
      if (event.type === 'job.finished' && CHANGES_BACKUPS.has(event.job)) void watch.look();
    },
    clock,
    timetable,
    state,
    isLate: (job, now) => isLate(job, state, timetable, now, watch.newest(state)),
    save: async (current) => {
      if (!options.folderLost.aborted) await saveState(stateFolder, current);
    },
  });
  const troubles = (): string[] => backupTroubles(state, timetable, clock.now(), watch.newest(state));
  const server = await serve(options, { scheduler, watch, troubles, clock }, signal);
  void watch.look();
  try {
    emit({
      type: 'daemon.started',
      version: options.version,
      pid: options.pid,
      listen: server?.address ?? null,
      jobs: timesOf(options, scheduler),
    });
    await scheduler.begin();
    const leftBehind = await scheduler.run(signal);
    emit({ type: 'daemon.stopped', leftBehind });
    return leftBehind;
  } finally {
    await server?.close();
  }
}

/** After these the newest backup may be another, or known to be broken. */
const CHANGES_BACKUPS: ReadonlySet<JobName> = new Set(['backup', 'verify', 'prune']);

/** Nobody can ask a daemon that serves nothing. */
function notAsked(): Promise<BackupsSeen> {
  return Promise.resolve({ newest: null, whole: false });
}

interface Insides {
  scheduler: Scheduler;
  watch: BackupWatch;
  troubles: () => string[];
  clock: Clock;
}

async function serve(
  options: DaemonOptions,
  { scheduler, watch, troubles, clock }: Insides,
  signal: AbortSignal,
): Promise<RunningServer | null> {
  const { http, redact, version } = options;
  if (http === null) return null;
  const warnings = (): string[] => jobWarnings(scheduler.view());
  const metrics = daemonMetrics(version, () => {
    const view = scheduler.view();
    return { view, now: clock.now(), newest: watch.newest(view), isHealthy: troubles().length === 0 };
  });
  const status = (): object => ({
    version,
    time: clock.now().toISOString(),
    troubles: troubles(),
    warnings: warnings(),
    ...statusOf(options, scheduler),
  });
  return startServer({
    listen: http.listen,
    keys: http.keys,
    redact,
    served: {
      troubles,
      warnings,
      status,
      metrics: { ...metrics, text: () => watch.refresh().then(() => metrics.text()) },
      listBackups: http.listBackups,
      listRuns: http.listRuns,
      checkBackup: http.checkBackup,
      requestBackup: (request) => scheduler.requestBackup(request),
      isStopping: () => signal.aborted,
    },
  });
}

function timesOf({ schedules }: DaemonOptions, scheduler: Scheduler): JobTimes[] {
  const { jobs } = scheduler.view();
  return JOBS.map((job) => ({
    job,
    schedule: schedules[job].text,
    says: schedules[job].describe(),
    lastEnd: jobs[job].lastEnd,
    lastSuccess: jobs[job].lastSuccess,
    next: jobs[job].next,
  }));
}

/** What `GET /api/backup/status` answers. Fields are only ever added. */
function statusOf({ schedules }: DaemonOptions, scheduler: Scheduler): object {
  const { since, running, queue, jobs } = scheduler.view();
  const told = forEachJob((job) => {
    const { next, retryAt, lastStart, lastEnd, lastSuccess, lastFailure, summary, seconds } = jobs[job];
    const { runs, failures, postponed, postponedSince, bytes, driftPercent, timestamp } = jobs[job];
    return {
      schedule: schedules[job].text,
      says: schedules[job].describe(),
      ...{ next, retryAt, lastStart, lastEnd, lastSuccess, lastFailure, summary, seconds },
      ...{ runs, failures, postponed, postponedSince, bytes, driftPercent, timestamp },
    };
  });
  return { since, running, queue, jobs: told };
}
