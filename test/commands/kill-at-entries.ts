import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, watch } from 'node:fs';
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
import { CLI } from '../support/cli.js';
import { GRAPH, Lab } from '../support/lab.js';
import { startProvider, type TestProvider } from '../support/provider.js';

/** A way to recover, and the damage that calls for it. */
export interface Path {
  path: string;
  args: string[];
  damage: (lab: Lab) => Promise<void>;
  /** What a person does once the run waits for it. */
  person?: (lab: Lab) => Promise<void>;
}

/** Has every path killed at each entry of its journal, resumed each time, and held against a run that nothing stopped. */
export function killAtEntriesOf(paths: readonly Path[]): void {
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

  describe('killed at each entry of its journal and resumed each time', () => {
    it.each(paths)('$path ends as it does without a kill', { timeout: 240_000 }, async (path) => {
      const program = new Program(lab, provider, path);
      await path.damage(lab);
      const { exitCode, output, run } = await program.withoutKill();
      const wanted = await endState(lab);
      const steps = new Set(
        program.journal(run).flatMap((entry) => (entry.entry === 'step' ? [entry.step] : [])),
      );
      expect([exitCode, output]).toEqual([expect.any(Number), expect.stringContaining('"type":"summary"')]);
      expect(steps.size).toBeGreaterThan(1);

      await lab.reset();
      await path.damage(lab);
      const killed = await program.killAtEveryEntry();
      expect([killed.exitCode, killed.output]).toEqual([exitCode, expect.anything()]);
      for (const step of steps) expect(killed.killedAt).toContain(`${step} intent`);
      await expectSame(wanted, await endState(lab));
      // What a run needs only while it runs is gone; what it keeps for a rollback is there once.
      expect(
        (await lab.leftovers()).filter((key) => !key.startsWith(`{${GRAPH}}:before:${killed.run}`)),
      ).toEqual([]);
    });
  });
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

/** One process of the program. */
interface Child {
  kill: () => Promise<unknown>;
  /** Null for one that was killed. */
  ended: Promise<number | null>;
  output: () => string;
}

/** The program as users run it, on one path. */
class Program {
  private readonly runsFolder: string;

  constructor(
    private readonly lab: Lab,
    private readonly provider: TestProvider,
    private readonly path: Path,
  ) {
    this.runsFolder = join(lab.env['LIFEBOAT_STATE'] ?? '', 'runs');
  }

  /** The journal of a run as it stands at this moment. */
  journal(run: string): TimedEntry[] {
    const path = join(this.runsFolder, run, 'journal.ndjson');
    return existsSync(path) ? parseEntries(readFileSync(path, 'utf8')) : [];
  }

  /**
   * Runs a recovery, kills it at the first entry of its journal that announces a step or a change, or ends a change,
   * resumes it, kills it at the next such entry that it was not killed at before, and so on until it comes to its end.
   */
  async killAtEveryEntry(): Promise<Ended> {
    const killedAt: string[] = [];
    let run = '';
    const person = this.person();
    for (let attempt = 0; attempt < 120; attempt++) {
      const seen = run === '' ? 0 : this.journal(run).length;
      const before = new Set(this.runs());
      const child = this.start(run === '' ? this.path.args : ['runs', 'resume', run]);
      run ||= await this.newRun(before, child);
      const killed = await this.follow(run, child, (journal) => {
        const names = journal.slice(seen).map(intent);
        const at = names.find((name) => name !== null && !killedAt.includes(name)) ?? null;
        if (names.includes(WAITS) && at !== WAITS) person.helps();
        return at;
      });
      const exitCode = await child.ended;
      if (exitCode !== null) {
        await person.helped();
        return { run, exitCode, output: child.output(), killedAt };
      }
      if (killed !== null) killedAt.push(killed);
    }
    throw new Error(`never came to its end; killed at ${killedAt.join(', ')}`);
  }

  async withoutKill(): Promise<Ended> {
    const before = new Set(this.runs());
    const person = this.person();
    const child = this.start(this.path.args);
    const run = await this.newRun(before, child);
    await this.follow(run, child, (journal) => {
      if (journal.map(intent).includes(WAITS)) person.helps();
      return null;
    });
    const exitCode = (await child.ended) ?? -1;
    await person.helped();
    return { run, exitCode, output: child.output(), killedAt: [] };
  }

  /** Looks at the journal at each of its entries, until the process ends or is to be killed at an entry. @returns which */
  private async follow(
    run: string,
    child: Child,
    killsAt: (journal: TimedEntry[]) => string | null,
  ): Promise<string | null> {
    const watcher = watch(join(this.runsFolder, run));
    try {
      for (;;) {
        const written = new Promise<'written'>((resolve) => watcher.once('change', () => resolve('written')));
        const at = killsAt(this.journal(run));
        if (at !== null) {
          await child.kill();
          return at;
        }
        if ((await Promise.race([child.ended, written])) !== 'written') return null;
      }
    } finally {
      watcher.close();
    }
  }

  /** The id of the run that a process begins. */
  private async newRun(before: ReadonlySet<string>, child: Child): Promise<string> {
    for (;;) {
      const run = this.runs().find((name) => !before.has(name));
      if (run !== undefined) return run;
      if ((await Promise.race([child.ended, sleep(2, 'running' as const)])) !== 'running')
        throw new Error(`no run was begun: ${child.output()}`);
    }
  }

  private runs(): string[] {
    return existsSync(this.runsFolder) ? readdirSync(this.runsFolder) : [];
  }

  private person(): { helps: () => void; helped: () => Promise<void> } {
    let help: Promise<void> | undefined;
    return {
      helps: () => void (help ??= this.path.person?.(this.lab)),
      helped: async () => help,
    };
  }

  private start(args: readonly string[]): Child {
    // Validating asks for no name: it never replaces anything.
    const confirm = args[0] === 'validate' ? [] : ['--confirm', GRAPH];
    const child: ChildProcess = spawn(process.execPath, [CLI, ...args, '--json', ...confirm], {
      env: { PATH: process.env['PATH'], ...this.lab.env, ...this.provider.env },
      cwd: this.lab.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const kill = (): Promise<unknown> => {
      child.kill('SIGKILL');
      return ended;
    };
    return { ended, kill, output: () => output };
  }
}

interface EndState {
  graph: GraphSnapshot;
  vectors: VectorSnapshot;
}

async function endState(lab: Lab): Promise<EndState> {
  return { graph: await readGraph(lab.stores.graph), vectors: await readVectors(lab.stores.vectors) };
}

async function expectSame(wanted: EndState, found: EndState): Promise<void> {
  const graph = await compareGraphs(wanted.graph, found.graph);
  const vectors = await compareVectors(wanted.vectors, found.vectors);
  expect(graph.examples.map(describeDifference)).toEqual([]);
  expect([vectors.examples, vectors.settings]).toEqual([[], []]);
  expect([graph.equal, vectors.equal]).toEqual([true, true]);
  for (const state of [wanted, found]) await Promise.all([state.graph.close(), state.vectors.close()]);
}
