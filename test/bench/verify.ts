import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { benchSizes, type BenchOptions } from './filled.js';
import { benchRounds, runCommand, say } from './measure.js';
import { inflate } from './restore.js';
import type { BenchRow } from './row.js';

/** Verifying a backup in full: the whole command against inflating both of its files and looking at nothing in them. */
export function benchVerify(options: BenchOptions): Promise<BenchRow[]> {
  return benchSizes(options, async ({ engines, memories, dim, rounds }) => {
    const folder = join(engines.folder, 'made');
    await runCommand(engines, folder, ['backup', 'create', '--to', 'local', '--json']);
    const files = (await readdir(folder, { recursive: true }))
      .filter((name) => name.endsWith('.gz'))
      .map((name) => join(folder, name));
    let json = 0;
    const row = await benchRounds(
      { name: 'verify', memories, dim },
      rounds,
      async () => {
        const started = performance.now();
        json = (await Promise.all(files.map(inflate))).reduce((sum, bytes) => sum + bytes, 0);
        return (performance.now() - started) / 1000;
      },
      () => runCommand(engines, folder, ['backup', 'verify', '--json']),
    );
    say(`${(json / 1e6 / row.seconds).toFixed(0)} MB/s of JSON`);
    return row;
  });
}
