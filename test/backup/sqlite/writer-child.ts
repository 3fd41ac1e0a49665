import { openStore, addMemory } from './store.js';

/** Writes memories into a store, one transaction each, until it is told to stop; a process of its own, as the service is. */
const [path = '', mode = 'write'] = process.argv.slice(2);
const file = openStore(path);
file.exec('PRAGMA busy_timeout = 30000');
file.prepare('SELECT count(*) FROM memories').get();
let written = 0;
const timer = setInterval(() => {
  if (mode === 'idle') return;
  addMemory(file, `during ${written++}`);
}, 1);
process.stdout.write('ready\n');
process.stdin.once('data', () => {
  clearInterval(timer);
  file.close();
  process.stdout.write(`written ${written}\n`);
  process.stdin.destroy();
});
