import { Failure } from '../../failure.js';
import { lookForWriters, type Watched } from '../../steps/watch-writers.js';

/** Seconds since its last command within which another client of the graph server is taken to be at work. */
const AT_WORK_SECONDS = 5;

/** Says that whoever writes should be stopped before a rollback. What cannot be looked at is no reason against one. */
export async function warnOfWriters(stores: Watched, say: (text: string) => void): Promise<void> {
  try {
    const { wrote, clients } = await lookForWriters(stores);
    const isAtWork = clients !== null && clients.count > 0 && clients.idleSeconds <= AT_WORK_SECONDS;
    if (wrote.length === 0 && !isAtWork) return;
    const found =
      wrote.length > 0
        ? `Something writes to ${wrote.join(' and ')} right now`
        : 'Another client sent graph commands a moment ago';
    say(
      `${found}. Stop the service before a rollback: what it writes while the stores are put back may be lost.`,
    );
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}
