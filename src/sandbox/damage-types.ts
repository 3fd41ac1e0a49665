import { ExitCode, Failure } from '../failure.js';
import type { StoreAddresses } from './addresses.js';

/** What a scenario may break: both stores, and what a recovery would start from. */
export interface DamageTarget extends StoreAddresses {
  /** Absolute path of the folder with the backup pairs. */
  backupDir?: string | null;
  /** Takes a copy of the graph server's data folder, as a hosting provider would: the engines of a drill can. */
  volume?: { snapshotVolume(): Promise<string> } | null;
}

/** What a scenario needs beside the two stores. */
export type DamageNeed = 'backups' | 'volume';

/** A way to break the stores, for drills. */
export interface DamageScenario {
  name: string;
  description: string;
  needs: readonly DamageNeed[];
  /**
   * Breaks them. What it breaks depends on the ids of the memories alone: always the same.
   * @returns what was done, a sentence for each store.
   * @throws Failure when a store does not obey, or what the scenario needs is not given.
   */
  apply(target: DamageTarget): Promise<string[]>;
}

/** @throws Failure where the target names no folder. */
export function backupDirOf({ backupDir }: DamageTarget, scenario: string): string {
  if (backupDir !== undefined && backupDir !== null) return backupDir;
  throw missing(
    scenario,
    'no folder with backups is named',
    'Files in it will be lost: name the folder with AUTOMEM_BACKUP_DIR, and agree with --confirm and the name of the graph.',
  );
}

/** @throws Failure where the target's data folder cannot be copied. */
export function volumeOf({ volume }: DamageTarget, scenario: string): NonNullable<DamageTarget['volume']> {
  if (volume !== undefined && volume !== null) return volume;
  throw missing(
    scenario,
    'the data folder of the graph server cannot be copied from here',
    `Practise it with: lifeboat drill --scenario ${scenario}`,
  );
}

function missing(subject: string, reason: string, hint: string): Failure {
  return new Failure({
    operation: 'damage the stores',
    subject,
    reason,
    hint,
    exitCode: ExitCode.usage,
    code: 'damage-needs-more',
  });
}
