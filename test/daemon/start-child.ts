/**
 * A daemon in a process of its own, with a backup that takes its time.
 *
 *     node --import tsx start-child.ts FOLDER polite|deaf
 *
 * The polite one ends half a second after it is asked to, the deaf one never does.
 */
import type { CommandContext } from '../../src/commands/context.js';
import { serveDaemon } from '../../src/commands/daemon/serve.js';
import { settingsOf } from '../../src/commands/run/settings-of.js';
import { forEachJob, type JobOrder, type JobResult } from '../../src/daemon/jobs.js';
import { Failure } from '../../src/failure.js';

const [folder = '', manners = ''] = process.argv.slice(2);

const context: CommandContext = {
  version: '0.0.0-test',
  env: { HOME: folder, LIFEBOAT_STATE: `${folder}/state`, LIFEBOAT_WRITE_KEY: 'write-key' },
  cwd: folder,
  terminal: null,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  setExitCode: (code) => (process.exitCode = code),
  onInterrupt: (listener) => {
    process.on('SIGINT', listener).on('SIGTERM', listener);
    return () => void process.off('SIGINT', listener).off('SIGTERM', listener);
  },
  setEnvironment: () => undefined,
};

function backup({ signal }: JobOrder): Promise<JobResult> {
  return new Promise((_, reject) => {
    const alive = setInterval(() => undefined, 1000);
    if (manners !== 'polite') return;
    signal.addEventListener('abort', () => {
      setTimeout(() => {
        clearInterval(alive);
        reject(new Error('stopped'));
      }, 500);
    });
  });
}

try {
  await serveDaemon(
    context,
    await settingsOf(context),
    forEachJob(() => backup),
    {
      listBackups: () => Promise.resolve({}),
      listRuns: () => Promise.resolve({}),
      findNewest: () => Promise.resolve({ newest: null, whole: false }),
      checkBackup: () => undefined,
    },
    { listen: { host: '127.0.0.1', port: 0 }, jitterSeconds: 0, json: true, stopSeconds: 20 },
  );
} catch (error) {
  process.stderr.write(`${error instanceof Failure ? error.code : String(error)}\n`);
  process.exitCode = error instanceof Failure ? error.exitCode : 1;
}
// As main.ts does.
if (process.exitCode === 130) process.exit();
