/**
 * A program for a real terminal: mounts the UI on a run that is played. Arguments: the pace (1 is real time),
 * "ascii" for a terminal without UTF-8, "nine" for all plans, "offers" to be asked before anything is mended. After the
 * UI has gone, it prints what the controls were told.
 */
import { uiEnvironment } from '../../src/ui/terminal.js';
import { fakeRun } from './fake-run.js';

const [pace = '1', ...flags] = process.argv.slice(2);
Object.assign(process.env, uiEnvironment(process.env));
const { mountUi } = await import('../../src/ui/mount.js');
const run = fakeRun({
  pace: Number(pace),
  nine: flags.includes('nine'),
  offers: flags.includes('offers'),
});
const ui = mountUi({
  events: run.events,
  controls: run.controls,
  stdout: process.stdout,
  stdin: process.stdin,
  now: Date.now,
  unicode: !flags.includes('ascii'),
});
const { exitCode } = await run.play();
await ui.waitUntilExit();
for (const call of run.calls) process.stdout.write(`told: ${call}\n`);
process.exitCode = exitCode;
