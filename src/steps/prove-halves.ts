import type { PassedOver } from '../backup/pair/choose-pair.js';
import type { Half } from '../backup/pair/pair-problems.js';
import type { BackupPair } from '../backup/types.js';
import type { Finding } from '../assess/types.js';
import { pairInUse, vectorsInUse } from './pair-in-use.js';
import { chooseSound, reasonsSay, unsoundBackup, type BackupSearch, type Halves } from './sound-backup.js';
import type { StepContext } from './step.js';

/** What proving a backup needs of a run. */
export type ProvingContext = Omit<StepContext, 'graph' | 'progress'>;

/** Code of the finding that a backup cannot be used, and which one is. */
const PASSED_OVER = 'backup-passed-over';

const HALVES: Record<Halves, string> = { both: 'backup', graph: 'graph half', vectors: 'vector half' };

/**
 * Reads the graph half that this run takes from to its end, before anything is changed. A damaged one gives way to the one
 * before it; where none is sound, the run goes on without, and says so.
 *
 * @throws Failure where the operator named it, or where no key opens it
 */
export async function proveGraphHalf(context: ProvingContext): Promise<void> {
  const { work } = context;
  if (work.pair !== null || work.proven.graph !== undefined) return;
  work.proven.graph = await provenHalf(context, pairInUse(context), 'graph');
}

/** The same for the vector half. */
export async function proveVectorHalf(context: ProvingContext): Promise<void> {
  const { work, options } = context;
  if (work.pair?.vectors != null || work.proven.vectors !== undefined || options.newSpace) return;
  work.proven.vectors = await provenHalf(context, vectorsInUse(context), 'vectors');
}

async function provenHalf(
  context: ProvingContext,
  first: BackupPair | null,
  half: Half,
): Promise<BackupPair | null> {
  const search = searchOf(context);
  if (search === null) return null;
  const { pair, passedOver } = await chooseSound(search, first, half);
  if (pair === null && search.isNamed && passedOver.length > 0) throw unsoundBackup(passedOver, search, half);
  tellPassedOver(context, passedOver, pair, half);
  return pair;
}

/** @returns null where there is no place with backups, or the operator goes without them */
export function searchOf(context: ProvingContext): BackupSearch | null {
  const { archive, assessment, graphName, collection, excludedTypes, signal, work, again } = context;
  if (archive === null || context.withoutBackup) return null;
  const { pairs } = assessment.backups;
  const { verified } = work;
  return {
    archive,
    pairs,
    graphName,
    collection,
    excludedTypes,
    signal,
    verified,
    again,
    isNamed: context.backupNamed,
  };
}

/** Warns of each backup that was passed over, and says which one takes its place. */
export function tellPassedOver(
  { warn, work }: Pick<StepContext, 'warn' | 'work'>,
  passedOver: readonly PassedOver[],
  taken: BackupPair | null,
  halves: Halves = 'both',
): void {
  for (const finding of passedOverFindings(passedOver, taken, halves)) warn(finding);
  notePassedOver(work, passedOver);
}

/** For the report: each once, whichever half was read. */
export function notePassedOver(
  work: Pick<StepContext['work'], 'passedOver'>,
  passedOver: readonly PassedOver[],
): void {
  const known = new Set(work.passedOver.map(({ timestamp }) => timestamp));
  work.passedOver.push(...passedOver.filter(({ timestamp }) => !known.has(timestamp)));
}

/** The warnings about backups that are passed over. */
export function passedOverFindings(
  passedOver: readonly PassedOver[],
  taken: BackupPair | null,
  halves: Halves = 'both',
): Finding[] {
  if (passedOver.length === 0) return [];
  const found = passedOver.map((passed) =>
    finding(`The backup ${passed.timestamp} is passed over: ${reasonsSay(passed)}.`),
  );
  const outcome =
    taken === null
      ? `No ${HALVES[halves]} is sound: the run goes on without, and what only a backup holds does not come back.`
      : `The backup ${taken.timestamp} takes its place: what was written after it is not in it.`;
  return [...found, finding(outcome)];
}

function finding(message: string): Finding {
  return { severity: 'warning', code: PASSED_OVER, message };
}
