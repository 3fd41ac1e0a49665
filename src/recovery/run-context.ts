import type { Assessment } from '../assess/types.js';
import type { PlanOption } from '../plans/types.js';
import type { CheckResult } from './events.js';

/** What the operator asked for, before anything is known. */
export interface RunRequest {
  /** A plan by name, or null for the recommended one. */
  plan: string | null;
  dryRun: boolean;
  /** Whether a person can be asked. */
  interactive: boolean;
  /** The name given with --confirm, or null. */
  confirm: string | null;
  /** What must be typed before a store is changed: the name of the graph. */
  confirmName: string;
  /** Mends what a failed check names, at once and without asking. */
  fix: boolean;
  /** How far to go: `plan` shows what could be done and stops, `validate` skips planning and executing. */
  goal: 'plan' | 'validate' | 'recover';
}

/** Where a run that goes on stood, from the snapshot that it left. */
export interface ResumePoint {
  at: 'executing' | 'validating' | 'fixing';
  context: Pick<
    RunContext,
    'assessment' | 'options' | 'recommended' | 'chosen' | 'executed' | 'checks' | 'rounds'
  >;
}

/** What the machine is started with. */
export interface RunInput extends RunRequest {
  /** Null for a new run. */
  resume: ResumePoint | null;
}

export interface RankedOptions {
  options: PlanOption[];
  recommended: string | null;
}

export interface RunContext extends RunInput {
  assessment: Assessment | null;
  options: PlanOption[];
  recommended: string | null;
  chosen: PlanOption | null;
  checks: CheckResult[];
  /** Rounds of mending that were begun. */
  rounds: number;
  executed: boolean;
  /** Why there was nothing to do, where a step found that. */
  nothingToDo: string | null;
  interrupted: boolean;
  cancelled: boolean;
  failure: unknown;
}

export type RunMachineEvent =
  | { type: 'CHOOSE'; plan: string }
  | { type: 'CONFIRM'; typed: string }
  | { type: 'FIX' }
  | { type: 'BACK' }
  | { type: 'CANCEL' }
  | { type: 'INTERRUPT' };
