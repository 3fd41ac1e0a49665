import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode, Failure } from '../failure.js';
import type { Outcome } from './events.js';
import type { Change, ChangePhase } from '../steps/change.js';
import { readJournal, type RunHeader, type TimedEntry } from './journal.js';

/**
 * How a run stands: `unfinished` ended without a last word, because it was killed or still runs; of one that is
 * `rolling-back` some changes may be undone and others not.
 */
export type RunStatus = Outcome | 'unfinished' | 'rolling-back' | 'rolled-back' | 'forgotten';

/** A run as its journal tells it. */
export interface RunState {
  folder: string;
  header: RunHeader;
  /** ISO-8601. */
  startedAt: string;
  /** ISO-8601 of the last entry. */
  lastAt: string;
  /** ISO-8601 of the last entry that tells of work: looks, refusals and rollbacks are none. */
  workedAt: string;
  status: RunStatus;
  exitCode: number | null;
  plan: { name: string; steps: string[]; backup: string | null } | null;
  /** Steps that were done, in the order in which they ended. */
  done: string[];
  /** What the last step that was done left for those after it. */
  work: Record<string, unknown> | null;
  /** What it told as lost so far, also in a step that did not come to its end. */
  losses: string[];
  /** Changes of stores with how far each came, oldest first. */
  changes: { change: Change; phase: ChangePhase }[];
}

/** @throws Failure (exit 2) where there is no such run */
export function readRun(state: string, run: string): RunState {
  const folder = join(state, 'runs', run);
  if (!/^[\w.-]+$/.test(run) || !listNames(state).includes(run)) {
    throw new Failure({
      operation: 'find the run',
      subject: run,
      reason: `there is no run of that name in ${join(state, 'runs')}`,
      hint: 'See the runs there are with: lifeboat runs list',
      exitCode: ExitCode.usage,
      code: 'run-unknown',
    });
  }
  return stateOf(folder, readJournal(join(folder, 'journal.ndjson')));
}

/** Every run that can be read, newest first; folders without a journal are passed over. */
export function listRuns(state: string): RunState[] {
  const runs = listNames(state).flatMap((run) => {
    try {
      return [readRun(state, run)];
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return [];
    }
  });
  // Names tell the second, and not which of two runs of one second came first.
  return runs.sort((a, b) => (sortKey(a) < sortKey(b) ? 1 : -1));
}

function sortKey({ startedAt, header }: RunState): string {
  return `${startedAt} ${header.run}`;
}

function listNames(state: string): string[] {
  try {
    return readdirSync(join(state, 'runs'));
  } catch {
    return [];
  }
}

/** Replays a journal. */
export function stateOf(folder: string, entries: readonly TimedEntry[]): RunState {
  const [first] = entries;
  if (first?.entry !== 'run') throw new Error('a journal begins with its run');
  const { run, command, version, stores, request, options, time } = first;
  const state: RunState = {
    folder,
    header: { run, command, version, stores, request, options },
    startedAt: time,
    lastAt: time,
    workedAt: time,
    status: 'unfinished',
    exitCode: null,
    plan: null,
    done: [],
    work: null,
    losses: [],
    changes: [],
  };
  for (const entry of entries) {
    state.lastAt = entry.time;
    if (isWork(entry)) state.workedAt = entry.time;
    apply(state, entry);
  }
  return state;
}

function isWork(entry: TimedEntry): boolean {
  if (entry.entry === 'change') return entry.phase === 'intent' || entry.phase === 'done';
  return entry.entry === 'plan' || entry.entry === 'step' || entry.entry === 'losses';
}

function apply(state: RunState, entry: TimedEntry): void {
  switch (entry.entry) {
    case 'plan':
      state.plan = { name: entry.plan, steps: entry.steps, backup: entry.backup };
      break;
    case 'step':
      if (entry.phase !== 'done') break;
      state.done = [...state.done.filter((step) => step !== entry.step), entry.step];
      state.work = entry.work;
      // Journals of before these had an entry of their own.
      if (Array.isArray(entry.work['losses'])) state.losses = entry.work['losses'] as string[];
      break;
    case 'losses':
      state.losses = entry.losses;
      break;
    case 'change':
      noteChange(state, entry.change, entry.phase);
      break;
    case 'end':
      state.status = entry.outcome;
      state.exitCode = entry.exitCode;
      break;
    case 'resumed':
      state.status = 'unfinished';
      break;
    case 'rolling-back':
    case 'rolled-back':
    case 'forgotten':
      state.status = entry.entry;
      break;
    case 'run':
  }
}

/** A change is known by what it changes: the same again, after a crash, is the same change further on. */
function noteChange(state: RunState, change: Change, phase: ChangePhase): void {
  const known = state.changes.find(
    (other) => other.change.kind === change.kind && subjectOf(other.change) === subjectOf(change),
  );
  if (known === undefined) state.changes.push({ change, phase });
  else Object.assign(known, { change, phase });
}

function subjectOf(change: Change): string {
  return 'graph' in change ? change.graph : change.collection;
}

const RESUMABLE: ReadonlySet<RunStatus> = new Set(['unfinished', 'failed', 'interrupted']);

/** Whether `runs resume` has something to continue. */
export function isResumable(state: RunState): boolean {
  const { status, header, plan } = state;
  return RESUMABLE.has(status) && plan !== null && !header.request.dryRun && !hasRefused(state);
}

/** Whether a run looked at the stores, refused, and changed nothing: going on, it would refuse again. */
export function hasRefused(state: RunState): boolean {
  const { status, exitCode } = state;
  return status === 'failed' && exitCode === ExitCode.notAsItShouldBe && standingChanges(state).length === 0;
}

/** Changes that were made, or may have been, and were neither undone nor let go of; newest first. */
export function standingChanges({ changes }: RunState): RunState['changes'] {
  return changes.filter(({ phase }) => phase === 'intent' || phase === 'done').reverse();
}
