import { InvalidArgumentError, Option, type Command } from 'commander';
import { PRESET_NAMES, presetNamed, type PresetName } from '../../backup/keep/presets.js';
import type { RetentionPolicy } from '../../backup/keep/retention.js';
import { seconds } from '../recovery-flags.js';

/** Flags that say which backups stay. */
export interface RetentionFlags {
  preset?: PresetName;
  keepLast?: number;
  keepWithin?: number;
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  keepYearly?: number;
  maxCount?: number;
  maxAge?: number;
  minimum?: number;
}

/** Adds the flags of retention; each goes before what the settings or the preset say. */
export function withRetentionFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--preset <name>', 'the retention of a preset, in place of that of the settings').choices(
        PRESET_NAMES,
      ),
    )
    .option('--keep-last <n>', 'so many of the newest', count)
    .option('--keep-within <time>', 'all that are less than so much older than the newest', seconds)
    .option('--keep-hourly <n>', 'of so many hours the newest of each', count)
    .option('--keep-daily <n>', 'of so many days', count)
    .option('--keep-weekly <n>', 'of so many weeks', count)
    .option('--keep-monthly <n>', 'of so many months', count)
    .option('--keep-yearly <n>', 'of so many years', count)
    .option('--max-count <n>', 'at most so many, whatever the rules say', aboveZero)
    .option('--max-age <time>', 'none older than this, whatever the rules say', seconds)
    .option('--minimum <n>', 'so many of the newest complete ones in spite of the limits', aboveZero);
}

/** The policy that the flags ask for. */
export function policyOf(flags: RetentionFlags, settings: RetentionPolicy): RetentionPolicy {
  const base = flags.preset === undefined ? settings : presetNamed(flags.preset).policy;
  return {
    keepLast: flags.keepLast ?? base.keepLast,
    keepWithinSeconds: flags.keepWithin ?? base.keepWithinSeconds,
    hourly: flags.keepHourly ?? base.hourly,
    daily: flags.keepDaily ?? base.daily,
    weekly: flags.keepWeekly ?? base.weekly,
    monthly: flags.keepMonthly ?? base.monthly,
    yearly: flags.keepYearly ?? base.yearly,
    maxCount: flags.maxCount ?? base.maxCount,
    maxAgeSeconds: flags.maxAge ?? base.maxAgeSeconds,
    minimum: flags.minimum ?? base.minimum,
  };
}

/** Whether any flag but the preset says something of retention. */
export function hasKeepFlags(flags: RetentionFlags): boolean {
  return KEEP_FLAGS.some((name) => flags[name] !== undefined);
}

const KEEP_FLAGS = [
  'keepLast',
  'keepWithin',
  'keepHourly',
  'keepDaily',
  'keepWeekly',
  'keepMonthly',
  'keepYearly',
  'maxCount',
  'maxAge',
  'minimum',
] as const;

function count(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, 0 or above.');
}

function aboveZero(text: string): number {
  const number = count(text);
  if (number > 0) return number;
  throw new InvalidArgumentError('It must be a whole number above 0.');
}
