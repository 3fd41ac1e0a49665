import { Counter, Gauge, Registry } from 'prom-client';
import { JOBS, type JobName } from './jobs.js';
import type { NewestBackup } from './newest-backup.js';
import type { SchedulerView } from './scheduler.js';

/** What is read anew for each scrape. */
export interface MetricFacts {
  view: SchedulerView;
  now: Date;
  /** At all places, whoever made it; null for none. */
  newest: NewestBackup | null;
  isHealthy: boolean;
}

export interface DaemonMetrics {
  contentType: string;
  text(): Promise<string>;
}

type JobFacts = SchedulerView['jobs'][JobName];

/**
 * The metrics of a daemon, in a registry of their own. Every value comes from what the daemon remembers, so that counters
 * go on where they were after a restart; they begin at 0, also for jobs that never ran. A value that is not known has no
 * line.
 *
 * @param version "0.1.0"
 */
export function daemonMetrics(version: string, read: () => MetricFacts): DaemonMetrics {
  const registry = new Registry();
  for (const [name, help, valueOf] of COUNTERS) addCounter(registry, name, help, read, valueOf);
  for (const [name, help, valueOf] of BY_JOB) addByJob(registry, name, help, read, valueOf);
  for (const [name, help, valueOf] of PLAIN) addPlain(registry, name, help, read, valueOf);
  new Gauge({
    name: 'lifeboat_build_info',
    help: 'The version that runs; always 1',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version }, 1);
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

const COUNTERS: readonly [name: string, help: string, valueOf: (job: JobFacts) => number][] = [
  ['lifeboat_job_runs_total', 'Runs of a job that came to their end, well or not', ({ runs }) => runs],
  ['lifeboat_job_failures_total', 'Runs of a job that failed', ({ failures }) => failures],
  [
    'lifeboat_job_postponed_total',
    'Times that a job was put off because a recovery was at work',
    ({ postponed }) => postponed,
  ],
];

const BY_JOB: readonly [name: string, help: string, valueOf: (job: JobFacts) => number | null][] = [
  [
    'lifeboat_job_last_success_timestamp_seconds',
    'When a job last succeeded; 0 for never',
    ({ lastSuccess }) => secondsOf(lastSuccess) ?? 0,
  ],
  ['lifeboat_job_duration_seconds', 'How long the last run of a job took', ({ seconds }) => seconds],
  ['lifeboat_job_next_run_timestamp_seconds', 'When a job runs next', ({ next }) => secondsOf(next)],
];

const PLAIN: readonly [name: string, help: string, valueOf: (facts: MetricFacts) => number | null][] = [
  [
    'lifeboat_backup_last_success_timestamp_seconds',
    'When the newest complete backup was made, by whomever; 0 where there is none',
    ({ newest }) => secondsOf(newest?.at ?? null) ?? 0,
  ],
  [
    'lifeboat_backup_age_seconds',
    'Age of the newest complete backup, whoever made it; where there is none, time since the daemon was first started',
    ({ view, newest, now }) => Math.max(0, (now.getTime() - Date.parse(newest?.at ?? view.since)) / 1000),
  ],
  [
    'lifeboat_backup_size_bytes',
    'Size of the newest complete backup, whoever made it',
    ({ newest }) => newest?.bytes ?? null,
  ],
  [
    'lifeboat_backup_duration_seconds',
    'How long the last backup of this daemon took',
    ({ view }) => view.jobs.backup.seconds,
  ],
  [
    'lifeboat_drift_percent',
    'Percent of the ids on which graph and vectors disagreed when they were last compared',
    ({ view }) => view.jobs.drift.driftPercent,
  ],
  ['lifeboat_healthy', '1 where /healthz answers 200', ({ isHealthy }) => (isHealthy ? 1 : 0)],
];

function addCounter(
  registry: Registry,
  name: string,
  help: string,
  read: () => MetricFacts,
  valueOf: (job: JobFacts) => number,
): void {
  new Counter({
    name,
    help,
    labelNames: ['job'],
    registers: [registry],
    collect() {
      this.reset();
      const { jobs } = read().view;
      for (const job of JOBS) this.inc({ job }, valueOf(jobs[job]));
    },
  });
}

function addByJob(
  registry: Registry,
  name: string,
  help: string,
  read: () => MetricFacts,
  valueOf: (job: JobFacts) => number | null,
): void {
  new Gauge({
    name,
    help,
    labelNames: ['job'],
    registers: [registry],
    collect() {
      this.reset();
      const { jobs } = read().view;
      for (const job of JOBS) {
        const value = valueOf(jobs[job]);
        if (value !== null) this.set({ job }, value);
      }
    },
  });
}

function addPlain(
  registry: Registry,
  name: string,
  help: string,
  read: () => MetricFacts,
  valueOf: (facts: MetricFacts) => number | null,
): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      const value = valueOf(read());
      if (value === null) this.remove();
      else this.set(value);
    },
  });
}

function secondsOf(time: string | null): number | null {
  return time === null ? null : Date.parse(time) / 1000;
}
