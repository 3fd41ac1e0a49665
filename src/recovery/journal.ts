import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { ExitCode, Failure } from '../failure.js';
import type { Outcome } from './events.js';
import type { RunRequest } from './run-context.js';
import type { Change, ChangePhase } from '../steps/change.js';

/** What a run is, as its first line says it: everything that `runs resume` needs to go on. */
export interface RunHeader {
  run: string;
  command: string;
  version: string;
  /** Where it works, so that it is never resumed on other stores. */
  stores: { graph: string; graphName: string; vectors: string; collection: string };
  request: RunRequest;
  /** What the command was told besides; see SessionOptions. */
  options: Record<string, unknown>;
}

export type JournalEntry =
  | ({ entry: 'run' } & RunHeader)
  | { entry: 'resumed'; pid: number; host: string }
  | { entry: 'plan'; plan: string; steps: string[]; backup: string | null }
  | { entry: 'step'; step: string; phase: 'intent' | 'failed' }
  /** `work` is what later steps and the report need of it. */
  | { entry: 'step'; step: string; phase: 'done'; work: Record<string, unknown> }
  /** All that is told as lost, written before it counts: a step that is killed right after does not meet it again. */
  | { entry: 'losses'; losses: string[] }
  | { entry: 'change'; phase: ChangePhase; change: Change }
  | { entry: 'end'; outcome: Outcome; exitCode: number }
  /** A rollback began: from here on the run cannot go on. */
  | { entry: 'rolling-back' }
  | { entry: 'rolled-back' }
  | { entry: 'forgotten' };

export type TimedEntry = JournalEntry & { time: string };

/**
 * The run's journal: what is about to be done is on the disk before it is done. Each line is written and synced before
 * `append` returns; there are a few dozen in a run.
 */
export class Journal {
  private constructor(
    private readonly path: string,
    private readonly file: number,
    /** Whether the file ends within a line: the next entry then starts a new one. */
    private torn: boolean,
  ) {}

  /** @throws Failure (exit 1) where the file cannot be written */
  static open(path: string): Journal {
    try {
      const file = openSync(path, 'a+', 0o600);
      return new Journal(path, file, endsWithinLine(file));
    } catch (error) {
      throw journalFailure(path, error);
    }
  }

  /** @throws Failure (exit 1): what cannot be journalled must not be done */
  append(entry: JournalEntry): void {
    const text = JSON.stringify({ time: new Date().toISOString(), ...entry });
    const line = Buffer.from(`${this.torn ? '\n' : ''}${text}\n`);
    this.torn = true;
    try {
      // A full disk may take part of a line: only a whole one counts, and readers pass over the rest.
      if (writeSync(this.file, line) !== line.length) throw new Error('no space left for the whole line');
      this.torn = false;
      fsyncSync(this.file);
    } catch (error) {
      throw journalFailure(this.path, error);
    }
  }

  close(): void {
    closeSync(this.file);
  }
}

/**
 * Every entry that was written whole: the last line of a process that was killed, or of a full disk, may be torn.
 *
 * @throws Failure (exit 2) where there is no journal or it does not begin with a run
 */
export function readJournal(path: string): TimedEntry[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, (error as Error).message);
  }
  const entries = parseEntries(text);
  if (!beginsWithRun(entries)) throw unreadable(path, 'it does not begin with the description of a run');
  return entries;
}

/** The first line is what everything else relies on, so it must be whole also where somebody edited the file. */
function beginsWithRun([first]: readonly TimedEntry[]): boolean {
  if (first?.entry !== 'run') return false;
  const { time, run, command, version, stores, request, options } = first as Partial<typeof first>;
  const { graph, graphName, vectors, collection } = stores ?? {};
  const texts = [time, run, command, version, graph, graphName, vectors, collection];
  return texts.every((text) => typeof text === 'string') && isObject(request) && isObject(options);
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

/** Every whole entry of a journal's text, in order. */
export function parseEntries(text: string): TimedEntry[] {
  return text.split('\n').flatMap((line) => parseEntry(line) ?? []);
}

function parseEntry(line: string): TimedEntry | null {
  try {
    const value = JSON.parse(line) as TimedEntry | null;
    return typeof value?.entry === 'string' ? value : null;
  } catch {
    return null;
  }
}

function endsWithinLine(file: number): boolean {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last.toString() !== '\n';
}

function journalFailure(path: string, error: unknown): Failure {
  return new Failure(
    {
      operation: 'write the journal of the run',
      subject: path,
      reason: (error as Error).message,
      hint: `Nothing more was changed. Free disk space or mend the folder (LIFEBOAT_STATE), then continue with: lifeboat runs resume ${basename(dirname(path))}`,
      exitCode: ExitCode.failed,
      code: 'run-folder',
    },
    { cause: error },
  );
}

function unreadable(path: string, reason: string): Failure {
  return new Failure({
    operation: 'read the journal of the run',
    subject: path,
    reason,
    hint: 'See the runs there are with: lifeboat runs list',
    exitCode: ExitCode.usage,
    code: 'journal-unreadable',
  });
}
