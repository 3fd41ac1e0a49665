import { Cron } from 'croner';

import { ExitCode, Failure } from '../../failure.js';
import { MONDAY_MS } from './periods.js';

/** When something is to run. All times are UTC; nothing here looks at a clock. */
export interface Schedule {
  /** As it was written, without blanks at its ends. */
  readonly text: string;
  /** The first time strictly after the given one; null when there is none. */
  next(after: Date): Date | null;
  /** The last time strictly before the given one; null when there is none. */
  previous(before: Date): Date | null;
  /** In plain words: "every 6 hours from 00:00 UTC". */
  describe(): string;
}

/** What a schedule looks like, for messages and help. */
const SCHEDULE_EXPECTED =
  'off, hourly, daily, weekly, monthly, a length of time such as "every 6h" or 30m (at least 10s), or a cron line of five fields such as "0 3 * * *" (UTC)';

const UNITS = { week: 604_800, day: 86_400, hour: 3600, minute: 60, second: 1 } as const;
type Unit = keyof typeof UNITS;

const WORDS: Readonly<Record<string, number>> = {
  hourly: UNITS.hour,
  daily: UNITS.day,
  weekly: UNITS.week,
};
/** Below it a queue of one job at a time would never be empty. */
const SHORTEST_SECONDS = 10;
const LONGEST_SECONDS = 366 * UNITS.day;
/** A cron line must have a time after this one: 30 February never comes. */
const ANY_TIME = new Date(0);
/** missedSince stops counting here. */
export const MOST_MISSED = 1000;

/**
 * Reads a schedule: `off`, `hourly`, `daily`, `weekly`, `monthly`, a length of time (`every 6h`, `30m`, `1h30m`, `every
 * 2 days`), or a cron line of five fields (also `@daily` and the like) in UTC. Lengths are counted from midnight of a
 * Monday, so that `6h` means 00:00, 06:00, 12:00 and 18:00 whenever the process was started, and `weekly` means Monday.
 *
 * @throws Failure (exit 2) that names what is allowed
 */
export function parseSchedule(text: string): Schedule {
  const trimmed = text.trim();
  const word = trimmed.toLowerCase();
  if (word === 'off') return { text: trimmed, next: never, previous: never, describe: () => 'off' };
  if (word === 'monthly') return cron(trimmed, '0 0 1 * *', 'on the first of every month at 00:00 UTC');
  const seconds = Object.hasOwn(WORDS, word) ? WORDS[word] : lengthOf(word);
  if (seconds !== undefined) return interval(trimmed, seconds);
  if (/^@[a-z]+$/.test(word) || trimmed.split(/\s+/).length === 5) return cron(trimmed, trimmed);
  throw invalid(trimmed, trimmed === '' ? 'it is empty' : 'it is no schedule');
}

/**
 * How many times of a schedule passed after the last run, up to and including `now`; at most MOST_MISSED. However many
 * they are, a missed one is run once. 0 when the last run lies ahead of `now`, as after a clock was set back.
 */
export function missedSince(schedule: Schedule, lastRun: Date, now: Date): number {
  let missed = 0;
  let at = schedule.next(lastRun);
  while (at !== null && at.getTime() <= now.getTime() && missed < MOST_MISSED) {
    missed += 1;
    at = schedule.next(at);
  }
  return missed;
}

function never(): null {
  return null;
}

/** Seconds of "every 6h", "6h", "1h30m", "every 2 days" or "every hour"; undefined for what is no length of time. */
function lengthOf(word: string): number | undefined {
  const [, single] = /^every\s+(week|day|hour|minute)$/.exec(word) ?? [];
  if (single !== undefined) return UNITS[single as Unit];
  const compact = word.replace(/^every\s+/, '').replaceAll(/\s+/g, '');
  const parts =
    /^(?:(\d{1,9})w(?:eeks?)?)?(?:(\d{1,9})d(?:ays?)?)?(?:(\d{1,9})h(?:ours?)?)?(?:(\d{1,9})m(?:in(?:ute)?s?)?)?(?:(\d{1,9})s(?:ec(?:ond)?s?)?)?$/.exec(
      compact,
    );
  if (parts === null || compact === '') return undefined;
  return Object.values(UNITS).reduce(
    (sum, seconds, index) => sum + Number(parts[index + 1] ?? 0) * seconds,
    0,
  );
}

function interval(text: string, seconds: number): Schedule {
  if (seconds < SHORTEST_SECONDS) throw invalid(text, `it is shorter than ${SHORTEST_SECONDS} seconds`);
  if (seconds > LONGEST_SECONDS) throw invalid(text, 'it is longer than a year');
  const step = seconds * 1000;
  const at = (number: number): Date => new Date(MONDAY_MS + number * step);
  return {
    text,
    next: (after) => at(Math.floor((after.getTime() - MONDAY_MS) / step) + 1),
    previous: (before) => at(Math.ceil((before.getTime() - MONDAY_MS) / step) - 1),
    describe: () => `every ${lengthName(seconds)}${startName(seconds)}`,
  };
}

/** 5400 → "1 hour 30 minutes", 3600 → "hour". */
function lengthName(seconds: number): string {
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, length] of Object.entries(UNITS)) {
    const amount = Math.floor(rest / length);
    rest -= amount * length;
    if (amount === 1 && rest === 0 && parts.length === 0) return unit;
    if (amount > 0) parts.push(`${amount} ${unit}${amount === 1 ? '' : 's'}`);
  }
  return parts.join(' ');
}

/** Where the steps fall, as far as it is the same on every day or week. */
function startName(seconds: number): string {
  if (seconds === UNITS.hour) return ', on the hour';
  if (seconds < UNITS.minute) return '';
  if (UNITS.hour % seconds === 0) return ' from the full hour';
  if (seconds === UNITS.day) return ' at 00:00 UTC';
  if (UNITS.day % seconds === 0) return ' from 00:00 UTC';
  if (seconds === UNITS.week) return ' on Monday at 00:00 UTC';
  return seconds % UNITS.day === 0 ? ' at 00:00 UTC' : '';
}

function cron(text: string, line: string, says = `by the cron line "${line}" (UTC)`): Schedule {
  // croner puts the time of reading in the place of a question mark.
  if (line.includes('?')) throw invalid(text, 'a question mark in a cron line has no meaning here');
  let job: Cron;
  try {
    // Without a function it is no job: nothing is started. Without a time zone's rules it is much faster.
    job = new Cron(line, { mode: '5-part', utcOffset: 0, paused: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw invalid(text, message.replace(/^CronPattern: /, '').replace(/\.$/, ''), error);
  }
  if (job.nextRun(ANY_TIME) === null) throw invalid(text, 'no such day ever comes');
  return {
    text,
    next: (after) => job.nextRun(after),
    previous: (before) => job.previousRuns(1, before)[0] ?? null,
    describe: () => says,
  };
}

function invalid(text: string, reason: string, cause?: unknown): Failure {
  return new Failure(
    {
      operation: 'read the schedule',
      subject: text === '' ? 'no text' : text,
      reason,
      hint: `Write ${SCHEDULE_EXPECTED}.`,
      exitCode: ExitCode.usage,
      code: 'schedule-invalid',
    },
    { cause },
  );
}
