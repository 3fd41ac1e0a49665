import type { ResumePoint, RunContext } from './run-context.js';

/** States in which a store may have been changed: their snapshots are kept, so that the run can go on from there. */
const KEPT: Record<string, ResumePoint['at']> = {
  safeguarding: 'executing',
  executing: 'executing',
  validating: 'validating',
  offering: 'validating',
  fixing: 'fixing',
};

/** Whether a snapshot of this state is worth keeping. */
export function isResumePoint(state: string): boolean {
  return state in KEPT;
}

/** @param snapshot what the actor of the machine gave as its persisted snapshot, read back from JSON */
export function resumePoint(snapshot: unknown): ResumePoint | null {
  const { value, context } = snapshot as { value?: string; context?: RunContext };
  const at = value === undefined ? undefined : KEPT[value];
  if (at === undefined || context?.assessment == null) return null;
  const { assessment, options, recommended, chosen, executed } = context;
  // A round that was cut short is run once more, by what it was to mend: half mended, a check may see nothing wrong.
  const isCutShort = at === 'fixing';
  const checks = isCutShort ? context.checks : [];
  const rounds = isCutShort ? context.rounds - 1 : context.rounds;
  return { at, context: { assessment, options, recommended, chosen, executed, checks, rounds } };
}
