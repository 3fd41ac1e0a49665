import type { Command } from 'commander';
import { ExitCode } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { interruption } from './interruption.js';
import { pinBackup, unpinBackup, type PinOptions, type PinResult } from './pin-backup.js';
import { isOf, sourceOption, storeOf, type WhichStores } from './which-backups.js';

interface Flags {
  source?: WhichStores;
  reason?: string;
  json?: true;
}

const HELP = `
A pin lies beside the backup, in lifeboat_TIMESTAMP.pinned.json (of a SQLite store: .sqlite.pinned.json), at each place that has it. It holds against every rule and
limit of the retention, not against who removes the files by hand.

Exit codes:
  0    done at every place that has the backup
  1    a place did not take it
  2    wrong usage or settings
  4    there is no such backup
  10   a place cannot be reached`;

/** Adds `lifeboat backup pin` and `lifeboat backup unpin`. */
export function addPinCommands(backup: Command, context: CommandContext): void {
  backup
    .command('pin')
    .description('keep a backup whatever the retention says')
    .argument('<timestamp>', 'YYYYMMDD_HHMMSS, or "latest"')
    .option('--reason <text>', 'why, for whoever asks later')
    .addOption(sourceOption())
    .option('--json', 'one JSON object')
    .addHelpText('after', HELP)
    .action((timestamp: string, flags: Flags) =>
      act(context, flags, 'pinned', (settings, which) =>
        pinBackup(settings, timestamp, { ...which, reason: flags.reason ?? null }),
      ),
    );
  backup
    .command('unpin')
    .description('leave a backup to the retention again')
    .argument('<timestamp>', 'YYYYMMDD_HHMMSS, or "latest"')
    .addOption(sourceOption())
    .option('--json', 'one JSON object')
    .addHelpText('after', HELP)
    .action((timestamp: string, flags: Flags) =>
      act(context, flags, 'unpinned', (settings, which) => unpinBackup(settings, timestamp, which)),
    );
}

async function act(
  context: CommandContext,
  flags: Flags,
  what: 'pinned' | 'unpinned',
  work: (settings: Settings, which: PinOptions) => Promise<PinResult>,
): Promise<void> {
  const settings = await settingsOf(context);
  const stop = interruption(context);
  const isMeant = flags.source === undefined ? () => true : isOf(flags.source, context.cwd);
  try {
    const result = await work(settings, { now: new Date(), isMeant, signal: stop.signal });
    tell(context, what, result, flags);
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

function tell(
  context: CommandContext,
  what: 'pinned' | 'unpinned',
  { backup, places, exitCode }: PinResult,
  flags: Flags,
): void {
  const { kind, source: store, timestamp } = backup;
  if (exitCode !== ExitCode.done) context.setExitCode(exitCode);
  if (flags.json === true) {
    const told = places.map(({ place, failure, wasPinned }) => ({
      ...{ place, wasPinned },
      failure: failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint },
    }));
    context.out(`${JSON.stringify({ type: what, kind, store, timestamp, exitCode, places: told })}\n`);
    return;
  }
  context.out(`Backup ${timestamp}${kind === 'sqlite' ? ` of ${storeOf(backup)}` : ''}\n`);
  for (const { place, failure, wasPinned } of places) {
    const says = what === 'unpinned' && !wasPinned ? `it was not pinned in ${place}` : `${what} in ${place}`;
    context.out(failure === null ? `  ✓ ${says}\n` : `  ✗ ${place}: ${failure.reason}\n`);
    if (failure !== null) context.err(`${failure.message}\n${failure.hint}\n`);
  }
}
