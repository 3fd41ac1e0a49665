import { ExitCode, Failure } from '../../failure.js';
import { isResumable, listRuns, type RunState } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import { heldLeases } from '../run/lease-places.js';

/** A run that said nothing for so long, in milliseconds, is not at work any more. */
const DEAD_AFTER_MS = 86_400_000;

/**
 * Which runs of this machine use a backup or may come back to it: those at work, and those that can be resumed. One that
 * has not chosen its backup yet may choose any.
 *
 * @param state the folder of the runs
 * @returns ids of runs, for a timestamp
 */
export function backupsInUse(state: string, now: Date): (timestamp: string) => string[] {
  const uses = listRuns(state).flatMap((run) => {
    const backup = backupOf(run, now);
    return backup === null ? [] : [{ run: run.header.run, backup }];
  });
  return (timestamp) =>
    uses.filter(({ backup }) => backup === 'any' || backup === timestamp).map(({ run }) => run);
}

function backupOf(run: RunState, now: Date): string | null {
  const { status, lastAt, plan, header } = run;
  const isAtWork = status === 'unfinished' && now.getTime() - Date.parse(lastAt) < DEAD_AFTER_MS;
  if (!isAtWork && !isResumable(run)) return null;
  if (plan !== null) return plan.backup;
  const { backup, backupFile } = header.options;
  if (backup === 'none' || typeof backupFile === 'string') return null;
  return typeof backup === 'string' && backup !== 'latest' ? backup : 'any';
}

/**
 * Refuses while a recovery of another machine is at work: which backup it uses cannot be seen from here. A place of the lease
 * that does not tell is not what is asked here.
 *
 * @throws Failure (exit 11) that names the run
 */
export async function refuseForeignRecovery(settings: Settings): Promise<void> {
  const known = new Set(listRuns(settings.folders.state).map(({ header }) => header.run));
  const held = (await heldLeases(settings)).find(({ record }) => !known.has(record.run));
  if (held === undefined) return;
  const { run, command, owner, since } = held.record;
  throw new Failure({
    operation: 'prune the backups',
    subject: settings.graph.name,
    reason: `the run ${run} (${command}) of ${owner} is at work since ${since}, and which backup it uses cannot be seen from here`,
    hint: 'Prune when it is done.',
    exitCode: ExitCode.leaseHeld,
    code: 'lease-held',
  });
}
