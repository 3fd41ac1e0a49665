/**
 * A process of its own that takes a lease in a folder. Prints one JSON line for each thing that happens, and answers
 * each line on stdin with what a check says.
 *
 *     node --import tsx lease-child.ts FOLDER RUN TTL_MS [wait]
 *
 * With "wait", the first line on stdin starts it.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { Failure } from '../../src/failure.js';
import { acquireLease } from '../../src/recovery/lease.js';
import { fileLease } from '../../src/stores/lease/file-lease.js';

const [folder = '', run = '', ttl = '', start = ''] = process.argv.slice(2);
const ttlMs = Number(ttl);
const say = (content: object): void => void process.stdout.write(`${JSON.stringify(content)}\n`);
const codeOf = (error: unknown): string => (error instanceof Failure ? error.code : String(error));

say({ ready: true });
const lines = createInterface({ input: process.stdin });
if (start === 'wait') await once(lines, 'line');
try {
  const lease = await acquireLease({
    stores: [fileLease(folder, 'lease')],
    run,
    command: 'recover',
    notice: (notice) => say({ notice }),
    ttlMs,
    heartbeatMs: ttlMs / 3,
  });
  say({ token: lease.token });
  lines.on('line', () => {
    lease.check().then(
      () => say({ check: 'held', lost: lease.lost.aborted }),
      (error: unknown) => say({ check: codeOf(error), lost: lease.lost.aborted }),
    );
  });
} catch (error) {
  say({ failed: codeOf(error) });
  process.exit(error instanceof Failure ? error.exitCode : 1);
}
