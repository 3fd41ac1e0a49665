import { assess, type AssessResult } from '../../assess/assess.js';
import { checkPair, isUsable, type BackupDepth } from '../../assess/assess-backups.js';
import type { BackupPair } from '../../backup/types.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { Archive } from '../../stores/archive/archive.js';
import { archives, graphAddress, vectorAddress } from './world.js';

/** "latest", "none", or a backup's timestamp. */
export type BackupChoice = string;

export interface Assessed extends AssessResult {
  /** The archive that the pairs come from. */
  archive: Archive | null;
}

/** Assesses, and sets the pair that recovery uses as the operator chose it. */
export async function assessWith(
  settings: Settings,
  choice: BackupChoice,
  depth: BackupDepth,
): Promise<Assessed> {
  const places = archives(settings);
  const result = await assess({
    graph: { address: graphAddress(settings), name: settings.graph.name },
    vectors: { address: vectorAddress(settings), name: settings.vectors.collection },
    archives: places,
    excludedTypes: settings.excludedTypes,
    backupDepth: depth,
  });
  const { backups } = result.assessment;
  const archive = places.find(({ place }) => place === backups.source) ?? null;
  if (choice === 'none') backups.newest = null;
  else if (choice !== 'latest') backups.newest = await chosenPair(backups.pairs, choice, archive, settings);
  return { ...result, archive };
}

async function chosenPair(
  pairs: readonly BackupPair[],
  timestamp: string,
  archive: Archive | null,
  settings: Settings,
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
  if (!isUsable(pair)) {
    throw new Failure({
      operation: 'use the backup',
      subject: timestamp,
      reason: pair.graphVerdict.reason ?? 'its graph half is missing',
      hint: 'Choose another with --backup TIMESTAMP, let Lifeboat choose with --backup latest, or go on with --backup none.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code: 'backup-broken',
    });
  }
  return pair;
}
