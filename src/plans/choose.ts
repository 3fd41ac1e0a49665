import type { Assessment, StoreState } from '../assess/types.js';
import { estimateSeconds, type MeasuredRates } from './estimate.js';
import type { Plan, PlanCondition, PlanLoss, PlanRequirement } from './schema.js';
import type { PlanOption } from './types.js';

const STORES = ['graph', 'vectors', 'backups'] as const;
const STORE_NAMES = { graph: 'the graph', vectors: 'the vectors', backups: 'the backups' } as const;

export interface RankedPlans {
  /** Those that apply first, best first; then the others, each with the reason why not. */
  options: PlanOption[];
  recommended: string | null;
}

/** Holds every plan against an assessment. Deterministic: the same assessment ranks the same way. */
export function rankPlans(
  plans: readonly Plan[],
  assessment: Assessment,
  rates: MeasuredRates,
  stepTitles: ReadonlyMap<string, string>,
): RankedPlans {
  const options = [...plans]
    .sort((a, b) => a.rank - b.rank)
    .map((plan) => describePlan(plan, assessment, rates, stepTitles));
  const applying = options.filter(({ applies }) => applies);
  return {
    options: [...applying, ...options.filter(({ applies }) => !applies)],
    recommended: applying[0]?.name ?? null,
  };
}

function describePlan(
  plan: Plan,
  assessment: Assessment,
  rates: MeasuredRates,
  stepTitles: ReadonlyMap<string, string>,
): PlanOption {
  const obstacle = whyNot(plan, assessment);
  const onRequest = obstacle !== null && runsOnRequest(plan, assessment);
  const fill = (text: string): string => fillIn(text, assessment);
  return {
    name: plan.name,
    title: plan.title,
    summary: plan.summary,
    applies: obstacle === null,
    ...(onRequest ? { onRequest: true as const } : {}),
    reason: obstacle ?? `${stateText(assessment, 'graph')}, ${stateText(assessment, 'vectors')}`,
    estimateSeconds: obstacle === null || onRequest ? estimateSeconds(plan.work, assessment, rates) : null,
    loses: plan.loses.filter((loss) => isLost(loss, assessment)).map(({ text }) => fill(text)),
    changes: plan.changes.map(fill),
    steps: plan.steps.map((id) => ({ id, title: stepTitles.get(id) ?? id })),
    guidance: plan.guidance,
    destructive: plan.destructive,
  };
}

/** Whether a loss is one in this situation. */
function isLost({ when }: PlanLoss, { backups, vectors }: Assessment): boolean {
  const usable = backups.newest === null ? 'none' : 'usable';
  const there = vectors.state === 'lost' || vectors.state === 'empty' ? 'gone' : 'there';
  return (when?.backups ?? usable) === usable && (when?.vectors ?? there) === there;
}

/** Why a plan does not apply, or null where it does. */
function whyNot(plan: Plan, assessment: Assessment): string | null {
  const matching = plan.when.filter((condition) => isHeld(condition, assessment));
  // Vectors without payloads are degraded too, but only this says what is the matter.
  if (plan.needs.includes('payloads') && !isMet('payloads', assessment)) return UNMET.payloads;
  if (matching.length === 0) {
    if (plan.when.length > 0) return explainMismatch(plan.when, assessment);
    return runsOnRequest(plan, assessment)
      ? 'never taken by itself: it runs when you name it'
      : explainMismatch(plan.onRequest, assessment);
  }
  const missing = plan.needs.find((requirement) => !isMet(requirement, assessment));
  return missing === undefined ? null : UNMET[missing];
}

function runsOnRequest(plan: Plan, assessment: Assessment): boolean {
  return (
    plan.onRequest.some((condition) => isHeld(condition, assessment)) &&
    plan.needs.every((requirement) => isMet(requirement, assessment))
  );
}

function isHeld(condition: PlanCondition, assessment: Assessment): boolean {
  const { drift } = condition;
  if (drift !== undefined && !drift.includes(driftOf(assessment))) return false;
  return STORES.every((store) => holds(condition, assessment, store));
}

/** A side that is more than half behind is degraded; what is less is drift. */
function driftOf({ drift }: Assessment): 'none' | 'some' | 'unknown' {
  if (drift === null) return 'unknown';
  const { counts, percent } = drift;
  return percent === 0 && counts['placeholder-vector'] === 0 && counts['wrong-size'] === 0 ? 'none' : 'some';
}

function holds(condition: PlanCondition, assessment: Assessment, store: (typeof STORES)[number]): boolean {
  const states: readonly StoreState[] | undefined = condition[store];
  return states === undefined || states.includes(assessment[store].state);
}

function explainMismatch(conditions: readonly PlanCondition[], assessment: Assessment): string {
  const [first] = conditions;
  if (conditions.some((condition) => STORES.every((store) => holds(condition, assessment, store))))
    return DRIFT_TEXT[driftOf(assessment)];
  const store = STORES.find((name) => first !== undefined && !holds(first, assessment, name)) ?? 'graph';
  const wanted = first?.[store] ?? [];
  const state = assessment[store].state;
  if (state === 'intact') return `not needed: ${stateText(assessment, store)}`;
  if (state === 'unreachable' && !wanted.includes('intact')) {
    return `${stateText(assessment, store)}, so nobody can tell whether this is needed`;
  }
  return `needs ${STORE_NAMES[store]} ${wanted.join(' or ')}; ${stateText(assessment, store)}`;
}

const DRIFT_TEXT = {
  none: 'not needed: the stores do not differ',
  some: 'the stores differ',
  unknown: 'the stores were not compared',
};

function stateText(assessment: Assessment, store: (typeof STORES)[number]): string {
  return `${STORE_NAMES[store]} ${store === 'graph' ? 'is' : 'are'} ${assessment[store].state}`;
}

function isMet(requirement: PlanRequirement, assessment: Assessment): boolean {
  const { newest, newestVectors } = assessment.backups;
  switch (requirement) {
    case 'payloads':
      return !assessment.vectors.payloadsMissing;
    case 'writable-graph':
      return assessment.graph.persistence?.readOnlyReplica !== true;
    case 'usable-backup':
      return newest !== null;
    case 'backup-pair':
      return newest !== null && hasVectors(newest);
    case 'backup-vectors':
      return newestVectors !== null;
    case 'no-backup-vectors':
      return newest !== null && !hasVectors(newest);
    case 'no-backup-graph':
      return newest === null;
    case 'no-backup':
      return newest === null && newestVectors === null;
  }
}

/** As far as the assessment looked; the rest of the file is read before it is used. */
function hasVectors({ vectors, vectorsVerdict }: NonNullable<Assessment['backups']['newest']>): boolean {
  return vectors !== null && vectorsVerdict.status !== 'broken';
}

const UNMET: Record<PlanRequirement, string> = {
  payloads:
    'the points carry no payloads, so there is nothing to rebuild memories from; a backup can be restored instead',
  'writable-graph': 'the graph server is a read-only replica',
  'usable-backup': 'there is no usable backup',
  'backup-pair': 'there is no backup of which both halves are usable',
  'backup-vectors': 'there is no backup with usable vectors',
  'no-backup-vectors': 'the newest backup has vectors too: restore-backup brings back both',
  'no-backup-graph': 'there is a backup of the graph: restore-backup brings it back',
  'no-backup': 'there is a backup to restore',
};

function fillIn(text: string, assessment: Assessment): string {
  const newest = assessment.backups.newest;
  const values: Record<string, string> = {
    graph: assessment.graph.name,
    collection: assessment.vectors.name,
    backupTime:
      newest === null ? 'no backup' : newest.takenAt.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC'),
  };
  return text.replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole);
}
