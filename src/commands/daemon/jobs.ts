import { hasDrift } from '../../drift/types.js';
import type { JobOrder, JobResult, JobRuns } from '../../daemon/jobs.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Summary } from '../../recovery/events.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumberOf,
  formatPercent,
} from '../../report/format.js';
import type { Settings } from '../../settings/settings.js';
import { loadBackupCommand } from '../backup.js';
import { makeBackup } from '../backup/make-backup.js';
import { pruneBackups } from '../backup/prune-backups.js';
import type { CommandContext } from '../context.js';
import { addDrillCommand } from '../drill.js';
import { assessWith } from '../run/assess-actor.js';
import { settingsOf } from '../run/settings-of.js';
import { unlessAborted } from '../run/unless-aborted.js';
import { runCommand, type CommandEnd } from './command-job.js';

/**
 * The jobs of `lifeboat daemon`. Each reads the settings anew, so that a password that was changed needs no restart; only
 * schedules, keys and the address are those of the start.
 */
export function daemonJobs(context: CommandContext): JobRuns {
  return {
    backup: async (order) => backUp(await settingsOf(context), context.version, order),
    verify: async ({ signal }) => verify(context, signal),
    prune: async ({ signal }) => prune(await settingsOf(context), signal),
    drift: async ({ signal }) =>
      // It only reads: whoever stops it does not wait for a server that does not answer.
      unlessAborted(checkDrift(await settingsOf(context), signal), signal),
    drill: async ({ signal }) =>
      drilled(await runCommand(addDrillCommand, ['drill', '--no-input', '--json'], context, signal)),
  };
}

async function backUp(
  settings: Settings,
  version: string,
  { signal, request }: JobOrder,
): Promise<JobResult> {
  const made = await makeBackup(settings, {
    to: request?.to ?? settings.backups.to,
    only: request?.only ?? null,
    encrypt: settings.backups.encrypt,
    version,
    onRead: () => undefined,
    signal,
    now: () => new Date(),
  });
  const { timestamp, places, manifest } = made;
  const bytes = Object.values(manifest.files).reduce((sum, file) => sum + file.bytes, 0);
  const failed = places.filter(({ failure }) => failure !== null);
  const where = places.map(({ place, failure }) =>
    failure === null ? place : `not at ${place}: ${failure.reason}`,
  );
  return {
    // A pair that lies at one of two places is half as safe as it is meant to be.
    ok: failed.length === 0,
    summary: `${timestamp}, ${formatBytes(bytes)}, ${where.join('; ')}`,
    bytes,
    timestamp,
  };
}

async function verify(context: CommandContext, signal: AbortSignal): Promise<JobResult> {
  const { backups } = await settingsOf(context);
  const command = await loadBackupCommand('verify');
  const end = await runCommand(command, ['backup', 'verify', 'latest', '--json'], context, signal);
  return verified(end, backups.identityFile === null);
}

/** One backup of `backup verify --json`. */
type VerifiedBackup = Partial<
  Record<'timestamp' | 'place' | 'ok' | 'noKey' | 'proven' | 'verdict' | 'reason', unknown>
>;

/**
 * A machine that only backs up has no key, and is not to have one: that checksums are those of the manifest is then all that
 * can be proven, and no failure.
 */
function verified({ exitCode, result }: CommandEnd, isKeyless: boolean): JobResult {
  const { verified: all, sound, failures } = result;
  const backups = (Array.isArray(result['backups']) ? result['backups'] : []) as VerifiedBackup[];
  const isQuick = (backup: VerifiedBackup): boolean =>
    isKeyless && backup.noKey === true && backup.proven === 'quick';
  const named = backups.map((backup) => {
    const says = isQuick(backup) ? 'quick: no key here' : verdictSays(backup);
    return `${String(backup.timestamp)} at ${String(backup.place)} ${says}`;
  });
  const isEnough =
    named.length > 0 && Array.isArray(failures) && failures.length === 0
      ? backups.every((backup) => backup.ok === true || isQuick(backup))
      : false;
  return {
    ok: exitCode === ExitCode.done || isEnough,
    summary: named.length > 0 ? named.join('; ') : `${String(sound)} of ${String(all)} sound`,
  };
}

function verdictSays({ ok, verdict, reason }: VerifiedBackup): string {
  if (ok === true) return 'sound';
  const word = verdict === 'unproven' ? 'unproven' : 'NOT SOUND';
  return typeof reason === 'string' ? `${word}: ${reason}` : word;
}

/** Removes what the retention of the settings does not keep: whoever gave it a schedule has confirmed it. */
async function prune(settings: Settings, signal: AbortSignal): Promise<JobResult> {
  const now = (): Date => new Date();
  const { kept, removed, copiesRemoved, inPart, bytesFreed, failures } = await pruneBackups(settings, {
    policy: null,
    remove: true,
    now,
    signal,
  });
  signal.throwIfAborted();
  const copies = inPart === 0 ? '' : ` (${formatNumberOf(copiesRemoved, 'copy', 'copies')} in all)`;
  const went =
    copiesRemoved === 0
      ? 'none removed'
      : `${formatCount(removed)} removed${copies}, ${formatBytes(bytesFreed)} freed`;
  const failed = failures.map(({ message }) => `; ${message}`).join('');
  return {
    ok: failures.length === 0,
    summary: `${formatNumberOf(kept, 'backup', 'backups')} kept, ${went}${failed}`,
  };
}

/** Compares the stores memory by memory. That they differ is what it is there to find, and no failure. */
async function checkDrift(settings: Settings, signal: AbortSignal): Promise<JobResult> {
  const places = { archives: [], isFile: false, notes: [], close: () => Promise.resolve() };
  const { assessment } = await assessWith(settings, places, 'none', 'sound', 'always', signal);
  signal.throwIfAborted();
  const { drift, graph, vectors, findings } = assessment;
  if (drift === null) throw notCompared(settings, [graph, vectors], findings);
  const { memories, points, percent, seconds } = drift;
  const verdict = hasDrift(drift) ? `they differ on ${formatPercent(percent)}` : 'they agree';
  return {
    ok: true,
    summary: `${formatCount(memories)} memories, ${formatCount(points)} points: ${verdict} (${formatDuration(seconds)})`,
    driftPercent: percent,
  };
}

function notCompared(
  settings: Settings,
  stores: readonly { state: string; address: string; unreachable?: { message: string; hint: string } }[],
  findings: readonly { code: string; message: string; action?: string }[],
): Failure {
  const away = stores.find(({ unreachable }) => unreachable !== undefined);
  const lost = stores.find(({ state }) => state === 'lost');
  const found = findings.find(({ code }) => code === 'drift-unknown');
  return new Failure({
    operation: 'compare the stores',
    subject: `graph "${settings.graph.name}", collection "${settings.vectors.collection}"`,
    reason:
      away?.unreachable?.message ??
      (lost === undefined ? (found?.message ?? 'it is not known why') : `${lost.address} does not have it`),
    hint: away?.unreachable?.hint ?? found?.action ?? 'See what is left with: lifeboat assess',
    exitCode: away === undefined ? ExitCode.notAsItShouldBe : ExitCode.unreachable,
    code: 'not-compared',
  });
}

function drilled({ exitCode, result }: CommandEnd): JobResult {
  const { outcome, failure, rto } = result as Partial<Pick<Summary, 'outcome' | 'failure' | 'rto'>>;
  const seconds = rto?.measuredSeconds ?? null;
  const took = seconds === null ? '' : ` in ${formatDuration(seconds)}`;
  const why = failure === undefined ? '' : `: ${failure.message}`;
  return { ok: exitCode === ExitCode.done, summary: `${outcome ?? 'no result'}${took}${why}` };
}
