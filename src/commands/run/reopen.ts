import type { Emit } from '../../recovery/events.js';
import { resumePoint } from '../../recovery/resume-point.js';
import type { ResumePoint } from '../../recovery/run-context.js';
import { isResumable, readRun, type RunState } from '../../recovery/run-state.js';
import type { RunWork } from '../../steps/step.js';
import { firstStepToRun } from './execute-actor.js';
import { notResumableFailure } from './not-resumable.js';
import type { RunRecord } from './record.js';
import type { RunReport } from './run-report.js';
import { resumedEntry } from './session-options.js';

/** The snapshot of the machine, in the folder of the run. */
const SNAPSHOT = 'machine.json';

/**
 * A run that goes on, read once its lease is held: only then is its journal the last word on it.
 *
 * @throws Failure (exit 2) where it came to its end meanwhile
 */
export function readResumable(folder: string, run: string): RunState {
  const state = readRun(folder, run);
  if (!isResumable(state)) throw notResumableFailure(state);
  return state;
}

/**
 * Takes up what the processes before this one left of a run, and says so in its journal.
 *
 * @param work gets what the steps left that are not run again
 * @returns where the machine goes on; null where it was stopped before anything could be changed
 */
export async function takeUpRun(
  record: RunRecord,
  state: RunState,
  work: RunWork,
  reporting: RunReport,
  emit: Emit,
): Promise<ResumePoint | null> {
  const next = firstStepToRun(state);
  if (next > 0) Object.assign(work, state.work, swapOf(state));
  reporting.takeUp(record, state);
  record.journal.append(resumedEntry());
  const snapshot = await record.read(SNAPSHOT);
  const after = next === 0 ? null : (state.done.at(-1) ?? null);
  emit({ type: 'resumed', run: state.header.run, after });
  return snapshot === null ? null : pointOf(snapshot);
}

/** Keeps the state of the machine for {@link reopenRun}. */
export async function keepSnapshot(record: RunRecord, snapshot: unknown): Promise<void> {
  // A disk that is full stops the run at the next entry of its journal, before the next change.
  await record.write(SNAPSHOT, Buffer.from(JSON.stringify(snapshot))).catch(() => undefined);
}

/** What a run knows of a swap that it made, also where its step had no time to say so. */
function swapOf({ changes }: RunState): Partial<RunWork> {
  const swap = changes.find(({ change, phase }) => change.kind === 'graph-swap' && phase === 'done')?.change;
  return swap?.kind === 'graph-swap' ? { promoted: true, replaced: swap.replaced !== null } : {};
}

/** @returns null where the snapshot is damaged: the journal alone tells enough to assess anew and go on with its plan */
function pointOf(snapshot: Buffer): ResumePoint | null {
  try {
    return resumePoint(JSON.parse(snapshot.toString('utf8')));
  } catch {
    return null;
  }
}
