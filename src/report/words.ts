import type { Assessment } from '../assess/types.js';
import type { PlanOption } from '../plans/types.js';
import type { CheckStatus, Objective, Outcome } from '../recovery/events.js';
import {
  formatAge,
  formatCount,
  formatDuration,
  formatNumberOf,
  formatRate,
  secondsBetween,
} from './format.js';
import { WAITING_UNIT, type StepProgress } from './view-steps.js';

/** Code of the finding that an earlier run waits to be continued. */
export const WAITING_RUN = 'run-waits';

/** Code of the finding that a backup is encrypted and no key opens it. */
export const LOCKED_BACKUP = 'backup-locked';

/** What a line is about, which decides its symbol, its word and its colour. */
export type Tone = 'ok' | 'bad' | 'warn' | 'skip' | 'info';

const REPAIR = 'repair';
const REPAIR_PLAN = 'sync-drift';

/** What is said of one store, in a line. */
export interface StoreLine {
  tone: Tone;
  name: 'graph' | 'vectors' | 'backups';
  where: string;
  /** "lost: refused: …", "intact: 1,000 points, 768 Cosine". */
  says: string;
}

const STATE_TONES = {
  intact: 'ok',
  degraded: 'warn',
  empty: 'warn',
  lost: 'bad',
  unreachable: 'bad',
} as const;

/** The three stores of an assessment, one line each. */
export function storeLines(assessment: Assessment): StoreLine[] {
  const { graph, vectors, backups } = assessment;
  return [
    {
      tone: STATE_TONES[graph.state],
      name: 'graph',
      where: `${graph.name} at ${graph.address}`,
      says: graph.unreachable
        ? `${graph.state}: ${graph.unreachable.message}`
        : `${graph.state}: ${formatNumberOf(graph.memories, 'memory', 'memories')}, ${formatNumberOf(graph.relationships, 'relationship', 'relationships')}`,
    },
    {
      tone: STATE_TONES[vectors.state],
      name: 'vectors',
      where: `${vectors.name} at ${vectors.address}`,
      says: vectors.unreachable
        ? `${vectors.state}: ${vectors.unreachable.message}`
        : `${vectors.state}: ${formatNumberOf(vectors.points, 'point', 'points')}${vectorShape(vectors.size, vectors.distance)}`,
    },
    {
      tone: STATE_TONES[backups.state],
      name: 'backups',
      where: backups.source,
      says: backupsSay(assessment),
    },
  ];
}

/** The address that a store did not answer on has its own next step: the hints of those that did not. */
export function storeHints(assessment: Assessment): string[] {
  const hints = [assessment.graph.unreachable?.hint, assessment.vectors.unreachable?.hint];
  return hints.filter((hint) => hint !== undefined);
}

/** A plan's own line: what it takes and costs, or why it does not apply. */
export function planSays(option: PlanOption): string {
  if (!option.applies) return whyNotSays(option);
  const changes = option.changes.length === 0 ? 'changes nothing' : `changes ${option.changes.join(', ')}`;
  return `${estimateOf(option)}; you lose ${lossOf(option)}; ${changes}`;
}

/** Why a plan does not apply by itself: "on request, about 9s: …" where it may be taken all the same. */
function whyNotSays(option: PlanOption): string {
  if (option.onRequest !== true) return `does not apply: ${option.reason}`;
  const time = option.estimateSeconds === null ? '' : `, ${estimateOf(option)}`;
  return `on request${time}: ${option.reason}`;
}

/**
 * The plans that a command has to tell of. A repair has one plan, and decides by its own comparison: what ranking says of
 * the others, or of stores that nobody compared yet, would contradict it.
 */
export function plansToTell(command: string | undefined, options: readonly PlanOption[]): PlanOption[] {
  if (command !== REPAIR) return [...options];
  return options
    .filter(({ name }) => name === REPAIR_PLAN)
    .map((option) => (mayTake(option) ? { ...option, applies: true } : option));
}

/** Whether a person may take the plan: it applies, or does no harm here. */
export function mayTake({ applies, onRequest }: PlanOption): boolean {
  return applies || onRequest === true;
}

/** "about 9s", or plainly that nobody knows. */
export function estimateOf(option: PlanOption): string {
  return option.estimateSeconds === null ? 'time unknown' : `about ${formatDuration(option.estimateSeconds)}`;
}

/** What a plan loses, in one line. */
export function lossOf(option: PlanOption): string {
  return option.loses.length === 0 ? 'nothing' : option.loses.join(', ');
}

/** "6,200 of 10,000 memories, 3,100/s, about 2s left"; a step that waits: "waiting for 2m05, at most 30m". */
export function progressSays(progress: StepProgress): string {
  if (progress.unit === WAITING_UNIT) {
    const most = progress.total === null ? '' : `, at most ${formatDuration(progress.total)}`;
    return `waiting for ${formatDuration(progress.done)}${most}`;
  }
  const count =
    progress.total === null
      ? `${formatCount(progress.done)} ${progress.unit}`
      : `${formatCount(progress.done)} of ${formatCount(progress.total)} ${progress.unit}`;
  const parts = [count];
  if (progress.rate > 0) parts.push(formatRate(progress.rate));
  if (progress.etaSeconds !== null && progress.etaSeconds > 0) {
    parts.push(`about ${formatDuration(progress.etaSeconds)} left`);
  }
  return parts.join(', ');
}

/** A status as a tone. */
export function checkTone(status: CheckStatus): Tone {
  return ({ pass: 'ok', fail: 'bad', skip: 'skip' } as const)[status];
}

/** "met: 42s of 5m", "missed: 6m10, the objective is 5m", "cannot be told". */
export function objectiveSays(objective: Objective): string {
  const target = formatDuration(objective.objectiveSeconds);
  if (objective.measuredSeconds === null) return `cannot be told; the objective is ${target}`;
  const measured = formatDuration(objective.measuredSeconds);
  if (objective.met === null) return `${measured}; the objective is ${target}`;
  return objective.met ? `met: ${measured} of ${target}` : `missed: ${measured}, the objective is ${target}`;
}

/** How well an outcome ended. */
export function outcomeTone(outcome: Outcome, exitCode: number): Tone {
  switch (outcome) {
    case 'recovered':
    case 'validated':
      return exitCode === 0 ? 'ok' : 'warn';
    case 'recovered-with-losses':
    case 'interrupted':
      return 'warn';
    case 'validation-failed':
    case 'failed':
      return 'bad';
    case 'assessed':
    case 'dry-run':
    case 'nothing-to-do':
      return exitCode === 0 ? 'ok' : 'warn';
    case 'cancelled':
      return 'skip';
  }
}

function vectorShape(size: number | null, distance: string | null): string {
  return size === null ? '' : `, ${size} dimensions${distance === null ? '' : `, ${distance}`}`;
}

function backupsSay({ backups, takenAt }: Assessment): string {
  const pairs = formatNumberOf(backups.pairs.length, 'backup', 'backups');
  const { newest, newestVectors } = backups;
  // A pair whose graph half is broken may still bring vectors back.
  const usable = newest ?? newestVectors;
  if (usable === null) return `${backups.state}: ${pairs}, none of them usable`;
  const what = newest === null ? 'newest with usable vectors' : 'newest usable';
  return `${backups.state}: ${pairs}, ${what} ${pairAge(usable, takenAt)} (${usable.timestamp})`;
}

function pairAge(pair: NonNullable<Assessment['backups']['newest']>, now: string): string {
  return formatAge(secondsBetween(pair.takenAt, now));
}
