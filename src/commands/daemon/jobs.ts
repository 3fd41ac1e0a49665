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
import { runCommand, type CommandEnd } from './command-job.js';

/**
 * The jobs of `lifeboat daemon`. Each reads the settings anew, so that a password that was changed needs no restart; only
 * schedules, keys and the address are those of the start.
 */
export function daemonJobs(context: CommandContext): JobRuns {
  return {
    backup: async (order) => backUp(await settingsOf(context), context.version, order),
    verify: async ({ signal }) =>
      verified(
        await runCommand(
          await loadBackupCommand('verify'),
          ['backup', 'verify', 'latest', '--json'],
          context,
          signal,
        ),
      ),
    prune: async ({ signal }) => prune(await settingsOf(context), signal),
    drift: async ({ signal }) => checkDrift(await settingsOf(context), signal),
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

function verified({ exitCode, result }: CommandEnd): JobResult {
  const { verified: all, sound, backups } = result;
  const named = Array.isArray(backups)
    ? backups.map((backup: { timestamp?: unknown; place?: unknown; ok?: unknown }) => {
        const verdict = backup.ok === true ? 'sound' : 'NOT SOUND';
        return `${String(backup.timestamp)} at ${String(backup.place)} ${verdict}`;
      })
    : [];
  return {
    ok: exitCode === ExitCode.done,
    summary: named.length > 0 ? named.join('; ') : `${String(sound)} of ${String(all)} sound`,
  };
}

/** Removes what the retention of the settings does not keep: whoever gave it a schedule has confirmed it. */
async function prune(settings: Settings, signal: AbortSignal): Promise<JobResult> {
  const now = (): Date => new Date();
  const { kept, removed, bytesFreed, failures } = await pruneBackups(settings, {
    policy: null,
    remove: true,
    now,
    signal,
  });
  signal.throwIfAborted();
  const went =
    removed === 0 ? 'none removed' : `${formatCount(removed)} removed, ${formatBytes(bytesFreed)} freed`;
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
