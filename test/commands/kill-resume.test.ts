import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { parseEntries, type TimedEntry } from '../../src/recovery/journal.js';
import {
  compareGraphs,
  describeDifference,
  readGraph,
  type GraphSnapshot,
} from '../../src/sandbox/compare.js';
import { compareVectors, readVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import { copyVolume, putVolumeBack } from '../../src/sandbox/volume.js';
import { CLI } from '../support/cli.js';
import { GRAPH, Lab } from '../support/lab.js';
import { startProvider, type TestProvider } from '../support/provider.js';

let lab: Lab;
let provider: TestProvider;

beforeAll(async () => {
  lab = await Lab.start({ aof: true });
  provider = await startProvider();
  await lab.fill({ memories: 40 });
  await lab.keep();
}, 120_000);

afterAll(async () => {
  await provider.stop();
  await lab.stop();
});

beforeEach(() => lab.reset());

function start(args: string[]): ChildProcess {
  // Validating asks for no name: it never replaces anything.
  const confirm = args[0] === 'validate' ? [] : ['--confirm', GRAPH];
  return spawn(process.execPath, [CLI, ...args, '--json', ...confirm], {
    env: { PATH: process.env['PATH'], ...lab.env, ...provider.env },
    cwd: lab.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The journal of a run as it stands at this moment. */
function journal(run: string): TimedEntry[] {
  const path = join(lab.env['LIFEBOAT_STATE'] ?? '', 'runs', run, 'journal.ndjson');
  return existsSync(path) ? parseEntries(readFileSync(path, 'utf8')) : [];
}

function runs(): string[] {
  const folder = join(lab.env['LIFEBOAT_STATE'] ?? '', 'runs');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** What the newest entry says is about to be done, by a name of its own; null where it says nothing like that. */
function intent(entry: TimedEntry | undefined): string | null {
  if (entry?.entry === 'step' && entry.phase === 'intent') return `${entry.step} intent`;
  if (entry?.entry === 'change') return `${entry.change.kind} ${entry.phase}`;
  return null;
}

/** From then on, the run waits for what a person does. */
const WAITS = 'await-graph intent';

interface Ended {
  run: string;
  exitCode: number;
  output: string;
  killedAt: string[];
}

/**
 * Runs a recovery, kills it at the first entry of its journal that announces a step or a change, or ends a change, resumes it, kills
 * it at the next such entry that it was not killed at before, and so on until it comes to its end.
 */
async function killAtEveryEntry({ args, person }: Path): Promise<Ended> {
  const killedAt: string[] = [];
  let helped: Promise<void> | null = null;
  const before = new Set(runs());
  let run = '';
  for (let attempt = 0; attempt < 120; attempt++) {
    const seen = run === '' ? 0 : journal(run).length;
    const child = start(run === '' ? args : ['runs', 'resume', run]);
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    for (;;) {
      const exitCode = await Promise.race([ended, sleep(1, 'running' as const)]);
      if (exitCode !== 'running') {
        if (exitCode === null) break;
        await helped;
        return { run, exitCode, output, killedAt };
      }
      run ||= runs().find((name) => !before.has(name)) ?? '';
      const names = run === '' ? [] : journal(run).slice(seen).map(intent);
      const at = names.find((name) => name !== null && !killedAt.includes(name));
      if (names.includes(WAITS) && at !== WAITS) helped ??= person?.() ?? null;
      if (at === undefined || at === null) continue;
      killedAt.push(at);
      child.kill('SIGKILL');
      await ended;
      break;
    }
  }
  throw new Error(`never came to its end; killed at ${killedAt.join(', ')}`);
}

async function withoutKill({ args, person }: Path): Promise<Pick<Ended, 'exitCode' | 'output'>> {
  const before = new Set(runs());
  const child = start(args);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
  let helped: Promise<void> | null = null;
  for (;;) {
    const exitCode = await Promise.race([ended, sleep(20, 'running' as const)]);
    const run = runs().find((name) => !before.has(name)) ?? '';
    if (journal(run).map(intent).includes(WAITS)) helped ??= person?.() ?? null;
    if (exitCode === 'running') continue;
    await helped;
    return { exitCode, output };
  }
}

interface EndState {
  graph: GraphSnapshot;
  vectors: VectorSnapshot;
}

async function endState(): Promise<EndState> {
  return { graph: await readGraph(lab.stores.graph), vectors: await readVectors(lab.stores.vectors) };
}

async function expectSame(wanted: EndState): Promise<void> {
  const found = await endState();
  const graph = await compareGraphs(wanted.graph, found.graph);
  const vectors = await compareVectors(wanted.vectors, found.vectors);
  expect(graph.examples.map(describeDifference)).toEqual([]);
  expect([vectors.examples, vectors.settings]).toEqual([[], []]);
  expect([graph.equal, vectors.equal]).toEqual([true, true]);
  for (const state of [wanted, found]) await Promise.all([state.graph.close(), state.vectors.close()]);
}

interface Path {
  path: string;
  args: string[];
  damage: () => Promise<void>;
  /** What a person does once the run waits for it. */
  person?: () => Promise<void>;
}

/** The graph's volume goes back to its copy, at the hosting provider: the server stops and starts on other data. */
async function restoreVolume(): Promise<void> {
  await lab.engines.servers.graph.stop();
  await putVolumeBack(volume(), join(lab.engines.folder, 'falkordb'));
  await lab.engines.restartGraph();
}

const volume = (): string => join(lab.folder, 'volume');

const PATHS: Path[] = [
  { path: 'rebuild-graph', args: ['recover', 'rebuild-graph'], damage: () => lab.damage('graph-empty') },
  {
    path: 'reembed-vectors',
    args: ['recover', 'reembed-vectors', '--backup', 'none'],
    damage: () => lab.damage('vectors-lost'),
  },
  { path: 'restore-backup', args: ['recover', 'restore-backup'], damage: () => lab.damage('both-lost') },
  {
    path: 'restore-graph',
    args: ['recover', 'restore-graph'],
    damage: async () => {
      lab.removeBackup('vectors');
      await lab.damage('both-lost');
    },
  },
  {
    path: 'restore-vectors',
    args: ['recover', 'restore-vectors'],
    damage: async () => {
      lab.removeBackup('graph');
      await lab.damage('both-lost');
    },
  },
  { path: 'sync-drift', args: ['repair'], damage: () => lab.damage('drift-20') },
  {
    path: 'restore-volume',
    args: ['recover', 'restore-volume'],
    damage: async () => {
      // The volume's snapshot and the vectors are of different times.
      await lab.damage('drift-20');
      await rm(volume(), { recursive: true, force: true });
      await copyVolume(lab.engines.graph, join(lab.engines.folder, 'falkordb'), volume());
      await lab.damage('graph-lost');
    },
    person: restoreVolume,
  },
  {
    path: 'validate --fix',
    args: ['validate', '--fix'],
    damage: async () => {
      await lab.damage('drift-20');
      await lab.query('MATCH ()-[r]->() DELETE r');
      await lab.qdrant('DELETE', `/collections/${GRAPH}/index/tags?wait=true`);
    },
  },
  {
    path: 'fresh-start',
    args: ['recover', 'fresh-start', '--backup', 'none'],
    damage: () => lab.damage('both-lost'),
  },
];

describe('killed at each entry of its journal and resumed each time', () => {
  it.each(PATHS)('$path ends as it does without a kill', { timeout: 240_000 }, async (path) => {
    await path.damage();
    const { exitCode, output } = await withoutKill(path);
    const wanted = await endState();
    const unkilled = runs().at(-1) ?? '';
    const steps = new Set(journal(unkilled).flatMap((entry) => (entry.entry === 'step' ? [entry.step] : [])));
    expect([exitCode, output]).toEqual([expect.any(Number), expect.stringContaining('"type":"summary"')]);
    expect(steps.size).toBeGreaterThan(1);

    await lab.reset();
    await path.damage();
    const killed = await killAtEveryEntry(path);
    expect([killed.exitCode, killed.output]).toEqual([exitCode, expect.anything()]);
    for (const step of steps) expect(killed.killedAt).toContain(`${step} intent`);
    await expectSame(wanted);
    // What a run needs only while it runs is gone; what it keeps for a rollback is there once.
    expect(
      (await lab.leftovers()).filter((key) => !key.startsWith(`{${GRAPH}}:before:${killed.run}`)),
    ).toEqual([]);
  });
});
