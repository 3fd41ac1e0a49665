import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { TestEngines } from '../support/engines.js';
import type { BenchRow } from './row.js';

export const GRAPH = 'memories';
export const TIMESTAMP = '20261101_030000';

/** What one run of the whole command took. */
export interface Measured {
  seconds: number;
  peakRssMb: number;
}

/** A recovery as a user runs it: start of the process to its exit. See {@link runCommand}. */
export function runLifeboat(
  engines: TestEngines,
  backupDir: string,
  args: readonly string[] = [],
  accepted: readonly number[] = [0],
): Promise<Measured> {
  return runCommand(engines, backupDir, ['recover', ...args, '--confirm', GRAPH, '--json'], accepted);
}

/**
 * The whole command as a user runs it: start of the process to its exit.
 *
 * @param accepted exit codes that are no failure here
 */
export async function runCommand(
  engines: TestEngines,
  backupDir: string,
  args: readonly string[],
  accepted: readonly number[] = [0],
): Promise<Measured> {
  const env = {
    ...process.env,
    ...engines.env,
    AUTOMEM_BACKUP_DIR: backupDir,
    LIFEBOAT_STATE: join(engines.folder, 'state'),
  };
  const cli = join(import.meta.dirname, '../../dist/cli.js');
  const started = performance.now();
  const child = spawn(process.execPath, [cli, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const peak = watchPeakRss(child.pid ?? 0);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const seconds = (performance.now() - started) / 1000;
  if (code === null || !accepted.includes(code))
    throw new Error(`lifeboat ended with ${String(code)}: ${out.slice(-2_000)}`);
  if (process.env['BENCH_STEPS'] !== undefined) sayWhatTookTime(out);
  return { seconds, peakRssMb: (await peak) / 1024 };
}

/** Where the time of a run went, step by step. */
function sayWhatTookTime(out: string): void {
  for (const line of out.split('\n')) {
    if (!line.includes('.finished"')) continue;
    const { step, phase, seconds } = JSON.parse(line) as { step?: string; phase?: string; seconds: number };
    say(`  ${(step ?? `(${phase ?? ''})`).padEnd(22)}${seconds.toFixed(2)} s`);
  }
}

/** The kernel's own high-water mark, read until the process is gone; in kB. */
export async function watchPeakRss(pid: number): Promise<number> {
  let peak = 0;
  for (;;) {
    try {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      const high = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
      if (Number.isNaN(high)) return peak;
      peak = high;
    } catch {
      return peak;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Floor and command turn by turn, on the same data. */
export async function benchRounds(
  row: Pick<BenchRow, 'name' | 'memories' | 'dim'>,
  rounds: number,
  floor: () => Promise<number>,
  lifeboat: () => Promise<Measured>,
): Promise<BenchRow> {
  const floors: number[] = [];
  const runs: Measured[] = [];
  for (let round = 0; round < rounds; round++) {
    floors.push(await floor());
    runs.push(await lifeboat());
    say(
      `round ${round + 1}: floor ${floors[round]?.toFixed(2) ?? ''} s, lifeboat ${runs[round]?.seconds.toFixed(2) ?? ''} s`,
    );
  }
  return {
    ...row,
    floorSeconds: median(floors),
    seconds: median(runs.map((run) => run.seconds)),
    ratio: median(runs.map((run, i) => run.seconds / (floors[i] ?? 1))),
    peakRssMb: Math.max(...runs.map((run) => run.peakRssMb)),
  };
}

/** Each turn starts with an append-only file as small as the last one's. */
export async function settleAof(redis: Redis): Promise<void> {
  await redis.call('BGREWRITEAOF');
  let info: string;
  do info = await redis.info('persistence');
  while (/aof_rewrite_(in_progress|scheduled):1/.test(info));
}

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
