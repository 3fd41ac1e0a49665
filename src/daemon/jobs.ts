/** What the daemon does, in the order in which jobs of the same time take their turns. */
export const JOBS = ['backup', 'verify', 'prune', 'drift', 'drill'] as const;
export type JobName = (typeof JOBS)[number];

export const BACKUP_PLACES = ['local', 's3', 'both'] as const;
export const BACKUP_HALVES = ['graph', 'vectors'] as const;

/** What a caller may ask of a backup; null is what the settings say. */
export interface BackupRequest {
  to: (typeof BACKUP_PLACES)[number] | null;
  only: (typeof BACKUP_HALVES)[number] | null;
}

export interface JobOrder {
  /** Aborts when the daemon is to stop: the job clears up behind itself and ends soon. */
  signal: AbortSignal;
  /** Null where no caller asked for it; only of backups. */
  request: BackupRequest | null;
}

/** What a job came to. */
export interface JobResult {
  /** False counts as a failure, and is tried again. That something was found, such as drift, is none. */
  ok: boolean;
  /** One line for people, without secrets. */
  summary: string;
  /** Of a backup: bytes of its files. */
  bytes?: number;
  /** Of a drift check: percent of the ids on which the stores disagree. */
  driftPercent?: number;
  /** Of a backup: its timestamp, `YYYYMMDD_HHMMSS`. */
  timestamp?: string;
}

/**
 * Does one job.
 *
 * @throws Failure for what is expected to fail; anything else is told as a bug, and the daemon goes on
 */
export type JobRun = (order: JobOrder) => Promise<JobResult>;

/** The daemon knows its jobs as functions and nothing more. */
export type JobRuns = Readonly<Record<JobName, JobRun>>;

/** One value for each job. */
export function forEachJob<T>(make: (job: JobName) => T): Record<JobName, T> {
  return Object.fromEntries(JOBS.map((job) => [job, make(job)])) as Record<JobName, T>;
}
