import { InvalidArgumentError, Option, type Command } from 'commander';
import { ExitCode, Failure } from '../failure.js';
import { DURATION_EXPECTED, parseDuration } from '../settings/duration.js';
import type { RecoveryOptions } from '../steps/step.js';
import { DEFAULT_RECOVERY } from './run/session-options.js';

/** Flags of the commands that change stores. */
export interface RecoveryFlags {
  dryRun?: true;
  confirm?: string;
  backup: string;
  fix?: true;
  takeOver?: true;
  restoreUnmatched?: true;
  only?: 'graph' | 'vectors';
  merge?: true;
  exact?: true;
  orphans: RecoveryOptions['orphans'];
  maxDrift: number;
  always?: true;
  newSpace?: true;
  viaApi?: true;
  wait: number;
  waitForQuiet?: number;
  input: boolean;
  json?: true;
}

/** Flags that every command which changes stores knows. */
export function withRunFlags(command: Command): Command {
  return withBackupFlag(command)
    .option('--dry-run', 'read everything, change nothing, and print exactly what would happen')
    .option(
      '--confirm <graph>',
      'the name of the graph, typed out: agrees to what replaces or deletes something',
    )
    .option('--fix', 'mend what a failed check names, at once, in at most three rounds')
    .option('--take-over', 'take the lease from a run that is certainly dead')
    .option(
      '--wait-for-quiet <time>',
      'begin only when nothing was written for 5 s; fail after this time',
      seconds,
    )
    .option('--no-input', 'never ask; a missing answer fails')
    .option('--json', 'one JSON object a line, the last one the summary');
}

/** The flag of every command that may take something from a backup. */
export function withBackupFlag(command: Command): Command {
  return command.option(
    '--backup <timestamp>',
    'the backup to use: YYYYMMDD_HHMMSS, latest (the newest that proves sound), or none',
    backupChoice,
    'latest',
  );
}

/** Flags about vectors. */
export function withVectorFlags(command: Command): Command {
  return command
    .option('--new-space', 'embed every memory anew: for another model than the surviving vectors are of')
    .option('--via-api', "let AutoMem embed, through its /admin/reembed (needs AutoMem's two tokens)");
}

/** Flags about drift. */
export function withDriftFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--orphans <what>',
        'points without a memory: bring the memory back, delete them, or leave them',
      )
        .choices(['restore', 'delete', 'keep'])
        .default(DEFAULT_RECOVERY.orphans),
    )
    .option(
      '--max-drift <percent>',
      'refuse to repair more than this',
      percentage,
      DEFAULT_RECOVERY.maxDrift,
    );
}

/** What the flags ask for besides the plan. @throws Failure (exit 2) where two of them contradict each other */
export function recoveryOptions(flags: Partial<RecoveryFlags>): RecoveryOptions {
  if (flags.merge === true && flags.exact === true)
    throw contradiction('--merge', '--exact', 'one adds only, the other deletes');
  if (flags.newSpace === true && flags.viaApi === true)
    throw contradiction('--new-space', '--via-api', 'AutoMem embeds with the model that it is set up with');
  return {
    ...DEFAULT_RECOVERY,
    restoreUnmatched: flags.restoreUnmatched === true,
    only: flags.only ?? null,
    merge: flags.merge === true,
    exact: flags.exact === true,
    orphans: flags.orphans ?? DEFAULT_RECOVERY.orphans,
    maxDrift: flags.maxDrift ?? DEFAULT_RECOVERY.maxDrift,
    always: flags.always === true,
    newSpace: flags.newSpace === true,
    viaApi: flags.viaApi === true,
    waitSeconds: flags.wait ?? DEFAULT_RECOVERY.waitSeconds,
    waitForQuiet: flags.waitForQuiet ?? null,
  };
}

export function contradiction(one: string, other: string, why: string): Failure {
  return new Failure({
    operation: 'understand the flags',
    subject: `${one} and ${other}`,
    reason: `they contradict each other: ${why}`,
    hint: 'Give one of them.',
    exitCode: ExitCode.usage,
    code: 'usage',
  });
}

function backupChoice(text: string): string {
  if (text === 'latest' || text === 'none' || /^\d{8}_\d{6}$/.test(text)) return text;
  throw new InvalidArgumentError(
    'It is neither a timestamp of the form YYYYMMDD_HHMMSS nor latest or none; see the backups there are with: lifeboat assess',
  );
}

function percentage(text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && number >= 0 && number <= 100) return number;
  throw new InvalidArgumentError('It must be a number from 0 to 100.');
}

/** Seconds from a duration such as 30m. */
export function seconds(text: string): number {
  const parsed = parseDuration(text);
  if (parsed === null) throw new InvalidArgumentError(`It must be ${DURATION_EXPECTED}.`);
  return parsed;
}
