import { InvalidArgumentError, type Command } from 'commander';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { terminalWidth } from './list.js';
import { planBackups } from './plan-backups.js';
import { comparedLines, planLines, planRecords } from './plan-words.js';
import { hasKeepFlags, policyOf, withRetentionFlags, type RetentionFlags } from './retention-flags.js';
import { presetNamed } from '../../backup/keep/presets.js';

interface Flags extends RetentionFlags {
  schedule?: string;
  bytes?: number;
  json?: true;
}

const HELP = `
Without --preset, --schedule or a flag of retention, what is set up is compared with all presets. Prices of S3 can be set
in lifeboat.config.yaml (prices:); the others are AWS list prices.

Exit codes:
  0    it is told
  2    wrong usage or settings, or there is no backup yet and --bytes is not given
  10   a place cannot be reached, and no other one has a backup to take the size from`;

/** Adds `lifeboat backup plan`. */
export function addPlanCommand(backup: Command, context: CommandContext): void {
  const command = backup
    .command('plan')
    .description('what a schedule and a retention store, ask and cost in a month')
    .option('--schedule <when>', 'such as hourly, daily, "every 6h" or a cron line; by default as set up')
    .option('--bytes <size>', 'of one backup, such as 250MB; by default that of the newest one', size);
  withRetentionFlags(command)
    .option('--json', 'one JSON object a plan, then one of all')
    .addHelpText('after', HELP)
    .action((flags: Flags) => plan(context, flags));
}

async function plan(context: CommandContext, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const base = flags.preset === undefined ? settings.retention : presetNamed(flags.preset).policy;
  const plans = await planBackups(settings, {
    preset: flags.preset ?? null,
    schedule: flags.schedule ?? null,
    policy: hasKeepFlags(flags) ? policyOf(flags, base) : null,
    bytes: flags.bytes ?? null,
    now: new Date(),
  });
  if (flags.json === true) {
    for (const record of planRecords(plans)) context.out(`${JSON.stringify(record)}\n`);
    return;
  }
  const [only, ...others] = plans.plans;
  const lines =
    only !== undefined && others.length === 0
      ? planLines(only, plans, terminalWidth(context))
      : comparedLines(plans, terminalWidth(context));
  context.out(`${lines.join('\n')}\n`);
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes from a size such as 250MB, 1.5 GiB or 1048576. */
function size(text: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?i?b?)$/i.exec(text.trim()) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  const bytes = Math.round(Number(amount) * (factor ?? 0));
  if (amount !== '' && factor !== undefined && bytes > 0) return bytes;
  throw new InvalidArgumentError('It must be a size such as 250MB, 1.5GiB, or a number of bytes.');
}
