import { z } from 'zod';
import { DURATION_EXPECTED, parseDuration } from './duration.js';

const duration = z.string(DURATION_EXPECTED).transform((value, context) => {
  const seconds = parseDuration(value);
  if (seconds !== null) return seconds;
  context.addIssue({ code: 'custom', message: DURATION_EXPECTED });
  return z.NEVER;
});

const COUNT_EXPECTED = 'a whole number, 0 or above';
const count = z.number(COUNT_EXPECTED).int(COUNT_EXPECTED).min(0, COUNT_EXPECTED).max(1e6, COUNT_EXPECTED);

const ABOVE_0 = 'a whole number above 0';

const PRICE_EXPECTED = 'a price in dollars, 0 or above';
const price = z.number(PRICE_EXPECTED).min(0, PRICE_EXPECTED).max(1e6, PRICE_EXPECTED);

/** Read where it is used: the daemon says what is wrong with it. */
const schedule = z.string('hourly, daily, weekly, monthly, a time such as 6h, a cron line, or off');

/** Timers take no longer ones. */
const LONGEST_LIMIT = 24 * 86_400;
const LIMIT_EXPECTED = `${DURATION_EXPECTED}, above 0 and up to 24d`;
const limit = duration.refine((seconds) => seconds > 0 && seconds <= LONGEST_LIMIT, LIMIT_EXPECTED);

const SECTION = 'a mapping with one "key: value" on each line';

export const configSchema = z.strictObject(
  {
    objectives: z
      .strictObject(
        {
          /** Longest time that a recovery may take. */
          rto: duration.optional(),
          /** Oldest data that may be lost. */
          rpo: duration.optional(),
        },
        SECTION,
      )
      .optional(),
    retention: z
      .strictObject(
        {
          keepLast: count.min(1, ABOVE_0).optional(),
          /** All that are less than so much older than the newest. */
          keepWithin: duration.optional(),
          keepHourly: count.optional(),
          keepDaily: count.optional(),
          keepWeekly: count.optional(),
          keepMonthly: count.optional(),
          keepYearly: count.optional(),
          /** These two limit what the rules above keep. */
          maxCount: count.min(1, ABOVE_0).optional(),
          maxAge: duration.optional(),
          /** So many of the newest complete backups stay in spite of the limits. */
          minimum: count.min(1, ABOVE_0).optional(),
        },
        SECTION,
      )
      .optional(),
    backup: z
      .strictObject(
        {
          to: z.enum(['local', 's3', 'both'], 'local, s3 or both').optional(),
          /** Whether backups are encrypted without --encrypt. */
          encrypt: z.boolean('true or false').optional(),
        },
        SECTION,
      )
      .optional(),
    schedule: z
      .strictObject(
        {
          backup: schedule.optional(),
          verify: schedule.optional(),
          prune: schedule.optional(),
          drift: schedule.optional(),
          drill: schedule.optional(),
        },
        SECTION,
      )
      .optional(),
    /** How long a job of the daemon may take. */
    limits: z
      .strictObject(
        {
          backup: limit.optional(),
          verify: limit.optional(),
          prune: limit.optional(),
          drift: limit.optional(),
          drill: limit.optional(),
        },
        SECTION,
      )
      .optional(),
    prices: z
      .strictObject(
        {
          storageGbMonth: price.optional(),
          archiveGbMonth: price.optional(),
          put1000: price.optional(),
          get1000: price.optional(),
          transferGb: price.optional(),
        },
        SECTION,
      )
      .optional(),
    alerts: z
      .strictObject(
        {
          /** The least severity that is told. */
          severity: z.enum(['warning', 'problem'], 'warning or problem').optional(),
          /** How long something must be wrong before it is told. */
          after: duration.optional(),
          /** How long until the same is told again. */
          repeat: duration.optional(),
        },
        SECTION,
      )
      .optional(),
  },
  SECTION,
);

/** What lifeboat.config.yaml says; durations in seconds. */
export type Config = z.output<typeof configSchema>;

/** The file's values and, for each "section.key" in it, its line. */
export interface ConfigFile {
  config: Config;
  lines: ReadonlyMap<string, number>;
}
