import type { Assessment, Finding } from '../assess/types.js';
import type { PlanOption } from '../plans/types.js';

/** The five phases that every view shows. */
export type Phase = 'assess' | 'plan' | 'execute' | 'validate' | 'report';

export type CheckStatus = 'pass' | 'fail' | 'skip';

/** A remedy that the validation may name: `--fix` runs it. */
export type Mend =
  'retry' | 'sync-drift' | 'relationships-from-backup' | 'reembed-missing' | 'create-indexes';

/** One step of the five-step validation. */
export interface CheckResult {
  /** 1–5. */
  step: number;
  name: string;
  status: CheckStatus;
  expected: string;
  actual: string;
  /** What mends it; absent on a pass. */
  fix?: string;
  /** What Lifeboat itself can do about it; absent on a pass and where a person must act. */
  mend?: Mend;
  /** Whether this check looked at data; a verdict needs at least one that did. */
  provesData: boolean;
}

export type Outcome =
  | 'recovered'
  | 'recovered-with-losses'
  | 'validated'
  | 'validation-failed'
  | 'assessed'
  | 'dry-run'
  | 'nothing-to-do'
  | 'failed'
  | 'cancelled'
  | 'interrupted';

export interface Objective {
  objectiveSeconds: number;
  /** Null where it cannot be told. */
  measuredSeconds: number | null;
  met: boolean | null;
}

/** Both stores held against what they were before the damage: nodes, relationships, points one by one. */
export interface ComparisonResult {
  equal: boolean;
  differences: number;
  nodes: { before: number; after: number; missing: number; extra: number; changed: number };
  /** A relationship that changed counts as one missing and one extra. */
  relationships: { before: number; after: number; missing: number; extra: number };
  /** A point of which payload and vector changed counts in both. */
  points: {
    before: number;
    after: number;
    missing: number;
    extra: number;
    payloadChanged: number;
    /** Payloads that only gained fields of the graph which the service itself often leaves out; no difference. */
    payloadCompleted: number;
    vectorChanged: number;
  };
  /** Settings of the collection that differ. */
  settings: number;
  /** The first differences, in words. */
  examples: string[];
}

/** The last line of `--json`; fields are only ever added. See docs/json-output.md. */
export interface Summary {
  type: 'summary';
  command: string;
  run: string;
  outcome: Outcome;
  exitCode: number;
  plan: string | null;
  assessment: {
    graph: { state: string; memories: number; nodes: number; relationships: number };
    vectors: { state: string; points: number; size: number | null; distance: string | null };
    backups: { state: string; newest: string | null; pairs: number };
  } | null;
  validation: Pick<CheckResult, 'step' | 'name' | 'status' | 'expected' | 'actual'>[];
  restored: { memories: number; nodes: number; relationships: number; vectors: number };
  salvaged: number;
  quarantined: number;
  rto: Objective | null;
  rpo: Objective | null;
  /** Name → absolute path of every file that the run wrote. */
  files: Record<string, string>;
  /** What went wrong, where something did. */
  failure?: { code: string; message: string; hint: string };
  /** What could not come back, in plain words. */
  losses: string[];
  /** Whether `runs resume` has something to continue. */
  resumable: boolean;
  /** What is kept so that the run can be rolled back, in plain words; empty where there is nothing to undo. */
  kept: string[];
  /** Vectors that a provider made anew, and the tokens that it counted; null where nothing was embedded. */
  embedded: { vectors: number; tokens: number | null } | null;
  /** Percent of the memories on which the stores disagree; null where nobody compared them. */
  drift: { before: number | null; after: number | null } | null;
  /** Only where a backup was passed over: the one that was used in its place, or null, and what was wrong with the others. */
  backup?: { used: string | null; passedOver: { timestamp: string; reasons: string[] }[] };
  /** Only in a drill. */
  comparison?: ComparisonResult;
}

/** Everything a run says. Views are printers of these; they never call a store. */
export type RunEvent =
  | {
      type: 'run.started';
      command: string;
      run: string;
      graph: string;
      collection: string;
      dryRun: boolean;
      rtoSeconds: number | null;
    }
  | { type: 'phase.started'; phase: Phase }
  | { type: 'phase.finished'; phase: Phase; seconds: number }
  | { type: 'finding'; finding: Finding }
  | { type: 'assessment'; assessment: Assessment }
  | { type: 'plans'; options: PlanOption[]; recommended: string | null }
  | { type: 'plan.chosen'; plan: string; by: 'lifeboat' | 'operator' }
  | {
      type: 'confirm.required';
      plan: string;
      /** What must be typed to go on. */
      name: string;
    }
  | { type: 'confirm.accepted'; plan: string }
  | { type: 'confirm.rejected'; typed: string; name: string }
  /** A person may have the failed checks mended; `round` is the one that would begin, from 1. */
  | { type: 'fix.offered'; mends: Mend[]; round: number }
  | { type: 'fix.started'; mends: Mend[]; round: number }
  | { type: 'resumed'; run: string; after: string | null }
  | { type: 'step.started'; step: string; title: string; index: number; total: number }
  | {
      type: 'step.progress';
      step: string;
      /** What is counted: "memories", "relationships". */
      unit: string;
      done: number;
      total: number | null;
      /** Units a second. */
      rate: number;
      etaSeconds: number | null;
    }
  | {
      type: 'step.finished';
      step: string;
      title: string;
      outcome: 'done' | 'skipped' | 'failed';
      seconds: number;
      detail: string;
    }
  | { type: 'salvage'; id: string; field: string; rule: string }
  | { type: 'quarantine'; kind: string; id: string; reason: string }
  | { type: 'check'; check: CheckResult }
  | { type: 'comparison'; comparison: ComparisonResult }
  | { type: 'notice'; message: string }
  | { type: 'stopping'; message: string }
  | { type: 'failure'; code: string; message: string; hint: string; exitCode: number }
  | Summary;

/** An event as it is printed: with its time. */
export type TimedEvent = RunEvent & { time: string };

/** Where the run says what happens. Implementations must not throw. */
export type Emit = (event: RunEvent) => void;

/** What a person can do to a run, from the terminal UI or from signals. */
export interface RunControls {
  /** Takes a plan by name; only in review. */
  choose(plan: string): void;
  /** Gives the typed name; only in confirm. */
  confirm(typed: string): void;
  /** Has the failed checks mended; only where that was offered. */
  fix(): void;
  /** Back from confirm to review. */
  back(): void;
  /** Leaves without changing anything; only in review and confirm. */
  cancel(): void;
  /** First call: stop after the step in hand. Second call: abort now. */
  interrupt(): void;
}
