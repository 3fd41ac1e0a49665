import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  DEFAULT_LISTEN,
  formatListen,
  LISTEN_EXPECTED,
  parseListen,
  type ListenAddress,
} from '../daemon/http/listen-address.js';
import { daemonJobs } from './daemon/jobs.js';
import { serveDaemon } from './daemon/serve.js';
import { daemonServices } from './daemon/services.js';
import type { CommandContext } from './context.js';
import { seconds } from './recovery-flags.js';
import { settingsOf } from './run/settings-of.js';

interface Flags {
  listen?: ListenAddress;
  http: boolean;
  jitter: number;
  json?: true;
}

const JITTER_SECONDS = 60;

const HELP = `
Schedules are those of "schedule" in lifeboat.config.yaml, in UTC: backup (6h), verify (daily), prune (daily), drift (hourly)
and drill (off). One job runs at a time. What was missed, because nobody was there or a job took long, runs once. A job that
failed is tried once more after 5 minutes, then at its next time. One that takes longer than its limit ("limits": backup and
verify 6h, drill 2h, prune and drift 1h) is ended, and counts as failed. While a recovery is at work, backup and prune are put
off, and tried again every 2 minutes. SIGTERM asks the job in hand to end and waits for it.

Served over HTTP, on the loopback address unless told otherwise; keys go as "Authorization: Bearer KEY" or "X-API-Key: KEY":
  GET  /healthz            200, with "warnings" where another job failed or waits; 503 with the reasons; no key
  GET  /metrics            for Prometheus; LIFEBOAT_READ_KEY where it is set
  GET  /api/backup/status  jobs, their last and next runs    LIFEBOAT_READ_KEY
  GET  /api/backup/list    backups at all places             LIFEBOAT_READ_KEY
  GET  /api/runs           recoveries                        LIFEBOAT_READ_KEY
  POST /api/backup/now     {"to": "s3", "only": "graph"}     LIFEBOAT_WRITE_KEY
A path whose key is not set is closed.

Exit codes:
  0    stopped by SIGTERM or SIGINT; the job in hand came to its end
  1    it cannot begin: the address or the state folder cannot be used
  2    wrong usage or settings
  11   another daemon is at work with the same state folder
  130  a second signal, or the job in hand did not end within 30 s`;

/** Adds `lifeboat daemon`. */
export function addDaemonCommand(program: Command, context: CommandContext): void {
  program
    .command('daemon')
    .description('back up, verify, prune, compare and drill by a schedule, and serve health and metrics')
    .option(
      '--listen <host:port>',
      `where to serve HTTP (default: ${formatListen(DEFAULT_LISTEN)})`,
      listenAddress,
    )
    .option('--no-http', 'serve nothing')
    .addOption(
      new Option(
        '--jitter <time>',
        'jobs begin up to so much after their time, so that many daemons do not all begin at once; 0s for none',
      )
        .argParser(jitter)
        .default(JITTER_SECONDS, `${JITTER_SECONDS}s`),
    )
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      const listen = flags.http ? (flags.listen ?? DEFAULT_LISTEN) : null;
      const settings = await settingsOf(context);
      await serveDaemon(context, settings, daemonJobs(context), daemonServices(context, settings), {
        listen,
        jitterSeconds: flags.jitter,
        json: flags.json === true,
      });
    });
}

function listenAddress(text: string): ListenAddress {
  const address = parseListen(text);
  if (address === null) throw new InvalidArgumentError(`It must be ${LISTEN_EXPECTED}.`);
  return address;
}

function jitter(text: string): number {
  return /^0+s?$/.test(text) ? 0 : seconds(text);
}
