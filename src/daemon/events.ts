import type { JobName } from './jobs.js';

/** Why a job stands in the queue. */
export type QueuedFor = 'due' | 'missed' | 'retry' | 'postponed' | 'asked';

/** One job's times, for whoever starts the daemon. */
export interface JobTimes {
  job: JobName;
  /** As it was written. */
  schedule: string;
  /** In plain words. */
  says: string;
  /** ISO-8601; null for never. */
  lastEnd: string | null;
  lastSuccess: string | null;
  next: string | null;
}

/** Everything the daemon says. Fields are only ever added; times are ISO-8601. */
export type DaemonEvent =
  | { type: 'daemon.started'; version: string; pid: number; listen: string | null; jobs: JobTimes[] }
  | { type: 'state.anew'; aside: string; reason: string }
  | { type: 'state.unsaved'; reason: string }
  | { type: 'clock.jumped'; seconds: number }
  | {
      type: 'job.queued';
      job: JobName;
      id: string;
      for: QueuedFor;
      /** How many times of the schedule this one run stands for; 0 where it was asked for. */
      times: number;
    }
  | { type: 'job.started'; job: JobName; id: string }
  | {
      type: 'job.finished';
      job: JobName;
      id: string;
      outcome: 'done' | 'failed' | 'postponed' | 'stopped';
      seconds: number;
      summary: string;
      /** When it runs again. */
      next: string | null;
    }
  | { type: 'notice'; message: string }
  | { type: 'stopping'; job: JobName | null; waitSeconds: number }
  | { type: 'daemon.stopped'; leftBehind: JobName | null };

export type Emit = (event: DaemonEvent) => void;
