import { runDaemon } from '../../daemon/daemon.js';
import type { DaemonEvent } from '../../daemon/events.js';
import { refuseOpenListen, type ListenAddress } from '../../daemon/http/listen-address.js';
import { forEachJob, type JobRuns } from '../../daemon/jobs.js';
import { daemonLines } from '../../daemon/lines.js';
import { ExitCode, Interrupted } from '../../failure.js';
import { redactor } from '../../settings/redact.js';
import type { Settings } from '../../settings/settings.js';
import type { CommandContext } from '../context.js';
import { terminalWidth } from '../backup/list.js';
import { schedulesOf } from './schedules.js';
import type { DaemonServices } from './services.js';
import { becomeSoleDaemon } from './sole-daemon.js';

export interface ServeOptions {
  /** Null for no HTTP at all. */
  listen: ListenAddress | null;
  jitterSeconds: number;
  json: boolean;
  /** How long a job that was asked to stop is waited for; by default 30 s. */
  stopSeconds?: number;
}

/** Below the ten seconds of some and the ninety of other process managers nothing fits all; they can be told. */
const STOP_SECONDS = 30;

/**
 * Runs the daemon until SIGINT or SIGTERM: the first asks the job in hand to end, the second ends at once.
 *
 * @throws Failure where it cannot begin, or another daemon has the state folder
 */
export async function serveDaemon(
  context: CommandContext,
  settings: Settings,
  runs: JobRuns,
  services: DaemonServices,
  options: ServeOptions,
): Promise<void> {
  // Everything that can be wrong is told before anything is held.
  const schedules = schedulesOf(settings.schedule);
  if (options.listen !== null) refuseOpenListen(options.listen, settings.keys);
  const emit = printer(context, options.json);
  const signals = listenForEnd(context);
  try {
    const lease = await becomeSoleDaemon(
      settings.folders.state,
      (message) => emit({ type: 'notice', message }),
      signals.stop,
    );
    try {
      const daemon = runDaemon(
        {
          version: context.version,
          pid: process.pid,
          stateFolder: settings.folders.state,
          folderLost: lease.lost,
          schedules,
          runs,
          jitter: { maxMs: options.jitterSeconds * 1000, random: Math.random },
          http: options.listen === null ? null : { ...services, listen: options.listen, keys: settings.keys },
          emit,
          redact: redactor(settings),
          limitsMs: forEachJob((job) => settings.limits[job] * 1000),
          stopLimitMs: (options.stopSeconds ?? STOP_SECONDS) * 1000,
        },
        AbortSignal.any([signals.stop, lease.lost]),
      );
      const end = await Promise.race([daemon, signals.endNow]);
      // Whoever took the lease over has the folder now.
      if (lease.lost.aborted) throw lease.lost.reason;
      context.setExitCode(end === null ? ExitCode.done : ExitCode.interrupted);
    } finally {
      await lease.release();
    }
  } catch (error) {
    // Asked to stop before it had begun: it has stopped.
    if (!signals.stop.aborted || !isAbort(error)) throw error;
  } finally {
    signals.end();
  }
}

interface Signals {
  /** Aborts at the first signal. */
  stop: AbortSignal;
  /** Resolves at the second. */
  endNow: Promise<'now'>;
  end: () => void;
}

function listenForEnd(context: CommandContext): Signals {
  const stop = new AbortController();
  let endNow: (value: 'now') => void;
  const second = new Promise<'now'>((resolve) => (endNow = resolve));
  const end = context.onInterrupt(() => {
    if (stop.signal.aborted) endNow('now');
    stop.abort(new Interrupted());
  });
  return { stop: stop.signal, endNow: second, end };
}

function isAbort(error: unknown): boolean {
  return error instanceof Interrupted || (error instanceof Error && error.name === 'AbortError');
}

function printer(context: CommandContext, isJson: boolean): (event: DaemonEvent) => void {
  return (event) => {
    const now = new Date();
    if (isJson) {
      const { type, ...rest } = event;
      context.out(`${JSON.stringify({ type, time: now.toISOString(), ...rest })}\n`);
      return;
    }
    context.out(
      daemonLines(event, now, terminalWidth(context))
        .map((line) => `${line}\n`)
        .join(''),
    );
  };
}
