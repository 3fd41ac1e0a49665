import { z } from 'zod';
import { BACKUP_HALVES, BACKUP_PLACES, forEachJob, JOBS, type JobName } from './jobs.js';

const time = z.iso.datetime();
const count = z.number().int().min(0);

const jobSchema = z.object({
  /** Times of the schedule up to here were run, or are not to be run any more. */
  handledUntil: time,
  /** When a job that failed is tried once more. */
  retryAt: time.nullable(),
  /** The run in hand; in the file, one that never came to its end. */
  running: z
    .object({ id: z.string(), since: time, handledBefore: time, retryBefore: time.nullable() })
    .nullable(),
  lastStart: time.nullable(),
  lastEnd: time.nullable(),
  lastSuccess: time.nullable(),
  lastFailure: z.object({ at: time, message: z.string() }).nullable(),
  /** What the last one that came to its end said. */
  summary: z.string().nullable(),
  /** How long the last one took that came to its end. */
  seconds: z.number().min(0).nullable(),
  /** Runs that came to their end, well or not, since the file was begun. */
  runs: count,
  failures: count,
  /** What a caller asked for, of backups, and did not get yet; files of before do not tell. */
  asked: z
    .object({ to: z.enum(BACKUP_PLACES).nullable(), only: z.enum(BACKUP_HALVES).nullable() })
    .nullable()
    .default(null),
  /** How often it was put off because a recovery was at work, and since when it is; files of before do not tell. */
  postponed: count.default(0),
  postponedSince: time.nullable().default(null),
  /** Of the last success; see JobResult. */
  bytes: z.number().min(0).nullable(),
  driftPercent: z.number().min(0).nullable(),
  timestamp: z.string().nullable(),
});

const stateSchema = z.object({
  version: z.literal(1),
  /** When this file was begun: what never ran is waited for from then on. */
  since: time,
  jobs: z.record(z.enum(JOBS), jobSchema),
});

/** What the daemon remembers of a job. Times are ISO-8601. */
export type JobState = z.infer<typeof jobSchema>;

/** What the daemon remembers across its ends. */
export interface DaemonState {
  version: 1;
  since: string;
  jobs: Record<JobName, JobState>;
}

/** The memory of a daemon that starts for the first time. */
export function newState(now: Date): DaemonState {
  const since = now.toISOString();
  return {
    version: 1,
    since,
    jobs: forEachJob(() => ({
      handledUntil: since,
      retryAt: null,
      running: null,
      lastStart: null,
      lastEnd: null,
      lastSuccess: null,
      lastFailure: null,
      summary: null,
      seconds: null,
      runs: 0,
      failures: 0,
      asked: null,
      postponed: 0,
      postponedSince: null,
      bytes: null,
      driftPercent: null,
      timestamp: null,
    })),
  };
}

/**
 * The memory without what a clock wrote that was ahead: a success of next year would hide every failure until then.
 */
export function forgetFuture(state: DaemonState, now: Date): DaemonState {
  const isPast = (at: string | null): at is string => at !== null && Date.parse(at) <= now.getTime();
  for (const job of JOBS) {
    const { lastSuccess, lastFailure } = state.jobs[job];
    if (!isPast(lastSuccess)) state.jobs[job].lastSuccess = null;
    if (lastFailure !== null && !isPast(lastFailure.at)) state.jobs[job].lastFailure = null;
  }
  if (!isPast(state.since)) state.since = now.toISOString();
  return state;
}

/** @returns why it is none, in words, where the text is no state */
export function parseState(text: string): DaemonState | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const parsed = stateSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') ?? '';
  return `${where === '' ? 'the whole of it' : where} is not as it must be`;
}
