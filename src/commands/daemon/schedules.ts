import { parseSchedule, type Schedule } from '../../backup/keep/schedule.js';
import { forEachJob, type JobName } from '../../daemon/jobs.js';
import { Failure } from '../../failure.js';
import type { ScheduleSettings } from '../../settings/types.js';

/**
 * When each job runs.
 *
 * @throws Failure (exit 2) that names the setting
 */
export function schedulesOf(settings: ScheduleSettings): Record<JobName, Schedule> {
  return forEachJob((job) => read(job, settings[job]));
}

function read(job: JobName, text: string): Schedule {
  try {
    return parseSchedule(text);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { operation, reason, hint, exitCode, code } = error;
    const subject = `schedule.${job} in lifeboat.config.yaml: ${JSON.stringify(text)}`;
    throw new Failure({ operation, subject, reason, hint, exitCode, code }, { cause: error });
  }
}
