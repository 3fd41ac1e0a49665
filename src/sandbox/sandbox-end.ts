import { ExitCode, Failure, type FailureFacts } from '../failure.js';
import { signalGroup, sleep } from './processes.js';
import { type EngineRecord, isRecordAlive } from './sandbox-state.js';

/**
 * Ends an engine: orderly, so that it saves what it has, or at once, where the data is to be removed anyway.
 */
export async function end(record: EngineRecord, how: { orderly: boolean }): Promise<void> {
  const attempts: [NodeJS.Signals, number][] = [
    ...(how.orderly ? ([['SIGTERM', 20_000]] as [NodeJS.Signals, number][]) : []),
    ['SIGKILL', 10_000],
  ];
  for (const [signal, timeoutMs] of attempts) {
    const deadline = performance.now() + timeoutMs;
    if (isRecordAlive(record)) signalGroup(record.pid, signal);
    while (isRecordAlive(record) && performance.now() < deadline) await sleep(20);
  }
  if (!isRecordAlive(record)) return;
  throw sandboxFailure({
    operation: 'end the sandbox',
    subject: `process ${record.pid}`,
    reason: 'it still runs 10 s after SIGKILL',
    hint: 'Its disk may hang: wait, and try again.',
    code: 'engine-not-stopped',
  });
}

/** A failure of the sandbox, with exit code 1 where no other is given. */
export function sandboxFailure(facts: Omit<FailureFacts, 'exitCode'> & { exitCode?: ExitCode }): Failure {
  return new Failure({ exitCode: ExitCode.failed, ...facts });
}
