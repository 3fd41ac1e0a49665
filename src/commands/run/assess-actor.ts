import { assess, type AssessResult, type CompareWhen } from '../../assess/assess.js';
import { checkPair, hasVectors, isUsable, type BackupDepth } from '../../assess/assess-backups.js';
import type { Assessment, Finding } from '../../assess/types.js';
import type { BackupPair } from '../../backup/types.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import { insteadOf, lockedBackup } from '../../steps/sound-backup.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { BackupPlaces } from './places.js';
import { graphAddress, vectorAddress } from './world.js';

/** "latest", "none", or a backup's timestamp. */
export type BackupChoice = string;

export interface Assessed extends AssessResult {
  /** The archive that the pairs come from. */
  archive: Archive | null;
  /** The operator goes without backups. */
  withoutBackup: boolean;
}

/**
 * Assesses, and sets the pair that recovery uses as the operator chose it.
 *
 * @param again the command of the run, to which other options can be added
 * @param deep when the stores are also compared memory by memory
 */
export async function assessWith(
  settings: Settings,
  places: BackupPlaces,
  choice: BackupChoice,
  depth: BackupDepth,
  deep: CompareWhen = 'never',
  signal?: AbortSignal,
  again = 'lifeboat recover',
): Promise<Assessed> {
  const result = await assess({
    graph: { address: graphAddress(settings), name: settings.graph.name },
    vectors: { address: vectorAddress(settings), name: settings.vectors.collection },
    archives: places.archives,
    excludedTypes: settings.excludedTypes,
    backupDepth: depth,
    deep,
    driftLimits: {
      warningPercent: settings.monitor.driftWarningPercent,
      problemPercent: settings.monitor.driftProblemPercent,
    },
    // AutoMem takes an existing collection's size as it is, unless told not to.
    expectedSize: settings.vectors.sizeFromCollection ? null : settings.vectors.size,
    ...(signal === undefined ? {} : { signal }),
  });
  const { backups } = result.assessment;
  const archive = places.archives.find(({ place }) => place === backups.source) ?? null;
  result.assessment.findings.push(...fileFindings(places, result.assessment));
  // A file with one backup names it.
  const isOnlyOne = places.isFile && choice === 'latest' && backups.pairs.length === 1;
  const named = isOnlyOne ? (backups.pairs[0] as BackupPair).timestamp : choice;
  if (named === 'none') backups.newest = backups.newestVectors = null;
  else if (named !== 'latest') {
    const pair = await chosenPair(backups.pairs, named, archive, settings, again);
    backups.newest = isUsable(pair) ? pair : null;
    backups.newestVectors = hasVectors(pair) ? pair : null;
  }
  return { ...result, archive, withoutBackup: named === 'none' };
}

/** What the operator must know of the file that was named. */
function fileFindings({ isFile, notes }: BackupPlaces, { graph, vectors, backups }: Assessment): Finding[] {
  const found: Finding[] = notes.map((message) => ({ severity: 'info', code: 'backup-file', message }));
  if (isFile && graph.state === 'intact' && vectors.state === 'intact') {
    found.push({
      severity: 'info',
      code: 'backup-file-unneeded',
      message: `Both stores are there: nothing of ${backups.source} is restored unless a plan is named.`,
      action: `To restore it all the same: lifeboat recover restore-backup --file ${backups.source}`,
    });
  }
  return found;
}

async function chosenPair(
  pairs: readonly BackupPair[],
  timestamp: string,
  archive: Archive | null,
  settings: Settings,
  again: string,
): Promise<BackupPair> {
  const pair = pairs.find((candidate) => candidate.timestamp === timestamp);
  if (pair === undefined || archive === null) {
    const known = pairs
      .slice(0, 5)
      .map((candidate) => candidate.timestamp)
      .join(', ');
    throw new Failure({
      operation: 'use the backup',
      subject: timestamp,
      reason: `there is no backup of that timestamp in ${archive?.place ?? settings.backups.dir}`,
      hint:
        known === '' ? 'Point AUTOMEM_BACKUP_DIR at the folder with the backups.' : `There are: ${known}.`,
      exitCode: ExitCode.usage,
      code: 'backup-unknown',
    });
  }
  await checkPair(archive, pair, settings.graph.name, 'sound');
  const hasVectorsOnly = pair.graph === null && hasVectors(pair);
  if (pair.graphVerdict.locked === true || pair.vectorsVerdict.locked === true)
    throw lockedBackup(pair.timestamp, again);
  if (!isUsable(pair) && !hasVectorsOnly) {
    throw new Failure({
      operation: 'use the backup',
      subject: timestamp,
      reason: pair.graphVerdict.reason ?? 'its graph half is missing',
      hint: insteadOf(timestamp, { pairs, again }),
      exitCode: ExitCode.nothingToRecoverFrom,
      code: 'backup-broken',
    });
  }
  return pair;
}
