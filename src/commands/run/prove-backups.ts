import type { Assessment, Finding } from '../../assess/types.js';
import type { BackupPair } from '../../backup/types.js';
import type { RankedPlans } from '../../plans/choose.js';
import type { PlanOption } from '../../plans/types.js';
import { Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import { notePassedOver, passedOverFindings } from '../../steps/prove-halves.js';
import { halvesOf } from '../../steps/restore/verify-backup.js';
import {
  chooseSound,
  refuseLocked,
  unsoundBackup,
  type BackupSearch,
  type Halves,
  type SoundChoice,
} from '../../steps/sound-backup.js';
import type { RunWork } from '../../steps/step.js';
import { againCommand } from './again.js';
import type { Assessed } from './assess-actor.js';
import { isBackupNamed, type SessionOptions } from './session-options.js';

/** The step of a restore: it takes from one whole pair. */
const RESTORES = 'verify-backup';
/** Steps that take from a vector half. */
const TAKES_VECTORS = ['plan-embedding', 'vectors-from-backup'];
/** Steps that take from a graph half. */
const TAKES_GRAPH = ['prove-source', 'repair-graph', 'restore-relationships'];
/** A repair looks into the backup once it knows that something of it is needed. */
const LOOKS_LATER = 'check-drift';

/** Code of a failure for want of a key. */
const LOCKED = 'backup-key';

export interface Proving {
  found: Assessed;
  settings: Settings;
  options: SessionOptions;
  work: RunWork;
  signal: AbortSignal;
}

/**
 * Reads the backup that the plan would take from to its end, before anybody confirms the plan, and puts the newest sound
 * one into the assessment: what is told of the plan is then true of the backup that is used.
 *
 * @param plan the one that would be taken; null where none can be
 * @returns what the operator must know; empty where the assessment stands
 * @throws Failure where a restore finds no sound backup, where the operator named a damaged one, or where one that would
 *   be used is encrypted and no key opens it
 */
export async function proveBackups(proving: Proving, plan: PlanOption | null): Promise<Finding[]> {
  const { found, work, options } = proving;
  const search = searchIn(proving);
  if (search === null) return [];
  const { backups } = found.assessment;
  if (plan === null) {
    // With a key there might be a plan; a store that is away has its own failure.
    if (!isAway(found.assessment)) refuseLocked(search, backups.newest, 'both');
    return [];
  }
  const findings: Finding[] = [];
  for (const { first, halves, isRestore } of needs(plan, found.assessment, options)) {
    const choice = await chooseSound(search, first, halves);
    const mustHave = isRestore || search.isNamed;
    if (choice.pair === null && choice.passedOver.length > 0 && mustHave)
      throw unsoundBackup(choice.passedOver, search, halves);
    notePassedOver(work, choice.passedOver);
    take(found.assessment, choice, halves);
    findings.push(...passedOverFindings(choice.passedOver, choice.pair, halves));
  }
  return findings;
}

/** Does {@link proveBackups} for the plan that is taken if nobody takes another one. */
export async function proveForPlan(proving: Proving, rank: () => Promise<RankedPlans>): Promise<Finding[]> {
  const findings: Finding[] = [];
  const proven = new Set<string | null>();
  // Without its backup another plan may be the best: that one is proven as well.
  for (;;) {
    const plan = planInMind(await rank(), proving.options.request.plan);
    const name = plan?.name ?? null;
    if (proven.has(name)) return findings;
    proven.add(name);
    findings.push(...(await proveBackups(proving, plan)));
  }
}

/** The same for who only looks: what keeps a recovery from its backup is one more thing to tell. */
export async function proveForAssessment(
  proving: Proving,
  rank: () => Promise<RankedPlans>,
): Promise<Finding[]> {
  try {
    return await proveForPlan(proving, rank);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { code, message, hint } = error;
    // That a key is missing was told already.
    return code === LOCKED ? [] : [{ severity: 'problem', code, message, action: hint }];
  }
}

function planInMind({ options, recommended }: RankedPlans, asked: string | null): PlanOption | null {
  const wanted = options.find(({ name }) => name === (asked ?? recommended));
  const isTaken = wanted?.applies === true || (asked !== null && wanted?.onRequest === true);
  return wanted !== undefined && isTaken ? wanted : null;
}

function searchIn({ found, settings, options, work, signal }: Proving): BackupSearch | null {
  const { archive, assessment, withoutBackup } = found;
  if (archive === null || withoutBackup) return null;
  return {
    archive,
    pairs: assessment.backups.pairs,
    graphName: settings.graph.name,
    collection: settings.vectors.collection,
    excludedTypes: new Set(settings.excludedTypes),
    isNamed: isBackupNamed(options),
    verified: work.verified,
    again: againCommand(options),
    signal,
  };
}

function isAway({ graph, vectors }: Assessment): boolean {
  return graph.unreachable !== undefined || vectors.unreachable !== undefined;
}

interface Need {
  first: BackupPair | null;
  halves: Halves;
  isRestore: boolean;
}

/** What the plan takes of which backup, as far as it has to be proven now. */
function needs({ steps }: PlanOption, assessment: Assessment, { recovery }: SessionOptions): Need[] {
  const has = (...names: string[]): boolean => steps.some(({ id }) => names.includes(id));
  const { newest, newestVectors } = assessment.backups;
  if (has(RESTORES)) {
    const first = newest ?? newestVectors;
    const halves = first === null ? 'both' : halvesOf(first, { options: recovery, assessment });
    return [{ first, halves, isRestore: true }];
  }
  if (has(LOOKS_LATER)) return [];
  const { only, newSpace } = recovery;
  const graph = only !== 'vectors' && has(...TAKES_GRAPH);
  const vectors = only !== 'graph' && !newSpace && has(...TAKES_VECTORS);
  return [
    ...(graph ? [{ first: newest, halves: 'graph', isRestore: false } as const] : []),
    ...(vectors ? [{ first: newestVectors, halves: 'vectors', isRestore: false } as const] : []),
  ];
}

/** Puts the proven halves into the assessment; where none is sound, there is none to use. */
function take({ backups }: Assessment, { pair, verification }: SoundChoice, halves: Halves): void {
  const before = [backups.newest, backups.newestVectors];
  const verified = { status: 'verified' } as const;
  if (halves !== 'vectors') {
    backups.newest = pair;
    if (pair !== null) pair.graphVerdict = verified;
    if (pair !== null && verification !== null) pair.counts = verification.counts;
  }
  if (halves !== 'graph') {
    backups.newestVectors = pair;
    if (pair !== null) pair.vectorsVerdict = verified;
  }
  if (backups.newest !== before[0] || backups.newestVectors !== before[1]) backups.state = 'degraded';
}
