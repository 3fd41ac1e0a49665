import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds after which a copy, which takes a few, is taken for stuck. */
const STUCK_MS = 10_000;
const ATTEMPTS = 3;

/**
 * GRAPH.COPY forks the server. A fork that comes while another thread of it holds a lock waits for that lock for ever, and the
 * server for the fork: it is ended then, and the copy tried again.
 *
 * @param server the pid of the server, which a test started
 */
export async function copyGraph(server: number, copy: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const timer = setInterval(() => endForks(server), STUCK_MS);
    try {
      await copy();
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    } finally {
      clearInterval(timer);
    }
  }
}

function endForks(server: number): void {
  for (const thread of readdirSync(`/proc/${server}/task`)) {
    const children = readFileSync(`/proc/${server}/task/${thread}/children`, 'utf8').split(' ').map(Number);
    for (const pid of children) if (pid > 0) process.kill(pid, 'SIGKILL');
  }
}
