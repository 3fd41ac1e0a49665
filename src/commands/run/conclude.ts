import type { Assessment } from '../../assess/types.js';
import { hasDrift } from '../../drift/types.js';
import { ExitCode, Failure, Interrupted } from '../../failure.js';
import type { CheckResult, ComparisonResult, Objective, Outcome, Summary } from '../../recovery/events.js';
import type { RunContext } from '../../recovery/run-context.js';
import type { RunWork } from '../../steps/step.js';
import { isPass } from '../../validation/validate.js';

/** What a run came to, before it is put into the summary. */
export interface Conclusion {
  outcome: Outcome;
  exitCode: ExitCode;
  failure: Failure | null;
}

export interface RunFacts {
  command: string;
  run: string;
  seconds: number;
  rtoSeconds: number;
  rpoSeconds: number;
  salvaged: number;
  quarantined: number;
  work: RunWork;
  /** Whether a store was changed, or may have been. */
  changed: boolean;
  /** What is kept so that the run can be undone, in words. */
  kept: string[];
  /** Whether it began with its plan and has a folder that it can go on from. */
  canResume: boolean;
  comparison?: ComparisonResult;
}

/** The one place where a run becomes an exit code. */
export function conclude(context: RunContext, facts: RunFacts): Conclusion {
  if (context.failure instanceof Interrupted || (context.interrupted && !context.executed)) {
    const failure = facts.changed ? stoppedMidway(context, facts) : null;
    return { outcome: 'interrupted', exitCode: ExitCode.interrupted, failure };
  }
  if (context.failure !== null) return failed(context.failure, facts, context.confirmName);
  if (context.cancelled) return { outcome: 'cancelled', exitCode: ExitCode.interrupted, failure: null };
  if (context.nothingToDo !== null) {
    return { outcome: 'nothing-to-do', exitCode: ExitCode.done, failure: null };
  }
  if (facts.command === 'assess') return assessed(context.assessment);
  // A plan without steps is validated in a dry run too: then the checks have the word.
  if (context.dryRun && context.checks.length === 0) {
    return { outcome: 'dry-run', exitCode: ExitCode.done, failure: null };
  }
  return validated(context, facts);
}

/** A resumed run that refused: the stores are another one's by now, so neither going on nor undoing it is to be named. */
const REFUSED_TO_GO_ON: ReadonlySet<string> = new Set(['newer-run', 'swap-undone', 'stores-changed-since']);

function failed(error: unknown, facts: RunFacts, graph: string): Conclusion {
  if (!(error instanceof Failure)) throw error;
  const { operation, subject, reason, code } = error;
  if (!facts.changed || REFUSED_TO_GO_ON.has(code))
    return { outcome: 'failed', exitCode: error.exitCode, failure: error };
  const isLeaseLost = code === 'lease-lost';
  // A graph that was promoted is live, so the run did not leave everything as it was. That another run is at work now is
  // what whoever called this one must know first.
  const exitCode = facts.work.promoted && !isLeaseLost ? ExitCode.notAsItShouldBe : error.exitCode;
  const hint = `${error.hint} ${standing(facts, graph, isLeaseLost)}`;
  const failure = new Failure({ operation, subject, reason, code, exitCode, hint }, { cause: error });
  return { outcome: 'failed', exitCode, failure };
}

/** What stands after a run that did not come to its end, and what can be done with it. */
function standing({ work, run, kept }: RunFacts, graph: string, isLeaseLost = false): string {
  const live = work.promoted
    ? 'The new graph is live: it was validated before the swap, and what it replaced is kept.'
    : isLeaseLost
      ? // Of what another run did since, nothing is known.
        'What was done before that stands.'
      : 'What was done so far stands, and nothing was lost.';
  // An undoing would take away what the run that took the lease over has done since.
  if (isLeaseLost) return `${live} When no other recovery is under way, go on: lifeboat runs resume ${run}`;
  const undo =
    kept.length === 0 && !work.promoted
      ? ''
      : ` To undo it: lifeboat runs rollback ${run} --confirm ${graph}`;
  return `${live} To go on: lifeboat runs resume ${run}${undo}`;
}

function stoppedMidway({ confirmName }: RunContext, facts: RunFacts): Failure {
  return new Failure({
    operation: 'finish the run',
    subject: confirmName,
    reason: facts.work.promoted
      ? 'it was stopped after the new graph had taken its place'
      : 'it was stopped after it had begun to change a store',
    hint: standing(facts, confirmName),
    exitCode: ExitCode.interrupted,
    code: facts.work.promoted ? 'stopped-after-swap' : 'stopped-midway',
  });
}

function assessed(assessment: Assessment | null): Conclusion {
  const states = [assessment?.graph.state, assessment?.vectors.state];
  const exitCode = states.includes('unreachable')
    ? ExitCode.unreachable
    : states.every((state) => state === 'intact') && !differs(assessment)
      ? ExitCode.done
      : ExitCode.notAsItShouldBe;
  return { outcome: 'assessed', exitCode, failure: null };
}

/** Only where the stores were compared can it be told. */
function differs(assessment: Assessment | null): boolean {
  const drift = assessment?.drift ?? null;
  return drift !== null && hasDrift(drift);
}

function validated(context: RunContext, facts: RunFacts): Conclusion {
  const hasLosses = facts.quarantined > 0 || facts.work.losses.length > 0;
  const done = context.executed ? (hasLosses ? 'recovered-with-losses' : 'recovered') : 'validated';
  // A drill in which something was lost, and said, differs from before because of just that.
  const differs = facts.comparison?.equal === false && !hasLosses;
  if (!isPass(context.checks) || differs) {
    const away = context.checks.some(({ step, status }) => step === 1 && status === 'fail');
    const exitCode = away && !context.executed ? ExitCode.unreachable : ExitCode.notAsItShouldBe;
    return { outcome: 'validation-failed', exitCode, failure: null };
  }
  if (context.executed && hasLosses)
    return { outcome: done, exitCode: ExitCode.notAsItShouldBe, failure: null };
  const missed =
    context.executed && [rto(facts), rpo(context, facts)].some((objective) => objective.met === false);
  return { outcome: done, exitCode: missed ? ExitCode.objectiveMissed : ExitCode.done, failure: null };
}

function rto(facts: RunFacts): Objective {
  const measuredSeconds = round(facts.seconds);
  return { objectiveSeconds: facts.rtoSeconds, measuredSeconds, met: measuredSeconds <= facts.rtoSeconds };
}

/**
 * The time for which data may be lost: from the backup to the newest memory that it does not hold as it is now. Memories
 * themselves come from their payloads; what such a memory had besides may be gone. Without a backup it cannot be told.
 */
function rpo(context: RunContext, facts: RunFacts): Objective {
  const { newestUnbacked, pair } = facts.work;
  const backup = pair ?? context.assessment?.backups.newest ?? null;
  let measuredSeconds: number | null = null;
  if (newestUnbacked === null) measuredSeconds = 0;
  else if (backup !== null) {
    measuredSeconds = Math.max(
      0,
      Math.round((Date.parse(newestUnbacked) - Date.parse(backup.takenAt)) / 1000),
    );
  }
  const met = measuredSeconds === null ? null : measuredSeconds <= facts.rpoSeconds;
  return { objectiveSeconds: facts.rpoSeconds, measuredSeconds, met };
}

export function summarize(
  context: RunContext,
  facts: RunFacts,
  { outcome, exitCode, failure }: Conclusion,
  files: Record<string, string>,
): Summary {
  const { assessment, executed } = context;
  return {
    type: 'summary',
    command: facts.command,
    run: facts.run,
    outcome,
    exitCode,
    plan: context.chosen?.name ?? null,
    assessment: assessment === null ? null : summarizeAssessment(assessment),
    validation: context.checks.map(plainCheck),
    restored:
      executed || facts.work.promoted
        ? facts.work.restored
        : { memories: 0, nodes: 0, relationships: 0, vectors: 0 },
    salvaged: facts.salvaged,
    quarantined: facts.quarantined,
    rto: executed ? rto(facts) : null,
    rpo: executed ? rpo(context, facts) : null,
    files,
    losses: [...facts.work.losses],
    resumable: isResumable(context, facts, { outcome, exitCode, failure }),
    kept: facts.kept,
    embedded: facts.work.embedded,
    drift: facts.work.drift,
    ...backupOf(context, facts),
    ...(facts.comparison === undefined ? {} : { comparison: facts.comparison }),
    ...(failure === null
      ? {}
      : { failure: { code: failure.code, message: failure.message, hint: failure.hint } }),
  };
}

/** What was passed over is said wherever the run is summed up. */
function backupOf({ assessment }: RunContext, { work }: RunFacts): Pick<Summary, 'backup'> {
  const { passedOver, pair, proven } = work;
  if (passedOver.length === 0) return {};
  const { newest = null, newestVectors = null } = assessment?.backups ?? {};
  const isPassed = (timestamp: string): boolean => passedOver.some((one) => one.timestamp === timestamp);
  const used = [pair, proven.graph, proven.vectors, newest, newestVectors]
    .filter((one) => one != null)
    .find(({ timestamp }) => !isPassed(timestamp));
  return {
    backup: {
      used: used?.timestamp ?? null,
      passedOver: passedOver.map(({ timestamp, reasons }) => ({ timestamp, reasons })),
    },
  };
}

/** A run that refused and changed nothing has nothing to go on with: it would refuse again. */
function isResumable(
  { dryRun }: RunContext,
  facts: RunFacts,
  { outcome, exitCode, failure }: Conclusion,
): boolean {
  if (!facts.canResume || dryRun || REFUSED_TO_GO_ON.has(failure?.code ?? '')) return false;
  if (outcome === 'interrupted') return true;
  return outcome === 'failed' && (facts.changed || exitCode !== ExitCode.notAsItShouldBe);
}

function plainCheck({ step, name, status, expected, actual }: CheckResult): Summary['validation'][number] {
  return { step, name, status, expected, actual };
}

function summarizeAssessment({ graph, vectors, backups }: Assessment): NonNullable<Summary['assessment']> {
  return {
    graph: {
      state: graph.state,
      memories: graph.memories,
      nodes: graph.nodes,
      relationships: graph.relationships,
    },
    vectors: { state: vectors.state, points: vectors.points, size: vectors.size, distance: vectors.distance },
    backups: { state: backups.state, newest: backups.newest?.timestamp ?? null, pairs: backups.pairs.length },
  };
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
