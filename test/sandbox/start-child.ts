/**
 * A process of its own for the tests of provisioning and of engines that outlive nobody. Prints one JSON line for each
 * thing that happens, then waits to be killed.
 *
 *     node --import tsx start-child.ts provision|start FOLDER
 */
import { join } from 'node:path';

import { ensureEngines } from '../../src/sandbox/engines.js';
import { startFalkordb } from '../../src/sandbox/falkordb-server.js';
import { provision } from '../../src/sandbox/provision.js';
import { startQdrant } from '../../src/sandbox/qdrant-server.js';

const [what, folder = ''] = process.argv.slice(2);
const { env } = process;
const say = (content: object): void => void process.stdout.write(`${JSON.stringify(content)}\n`);

if (what === 'provision') {
  say({ done: await provision({ env, onProgress: (progress) => say({ progress }) }) });
} else {
  const engines = await ensureEngines({ env });
  const common = { port: 0, life: 'child', env } as const;
  const graph = await startFalkordb(engines, { ...common, dataDir: join(folder, 'falkordb'), aof: true });
  const vectors = await startQdrant(engines, { ...common, dataDir: join(folder, 'qdrant') });
  say({ pids: [graph.pid, vectors.pid] });
  setInterval(() => undefined, 1000);
}
