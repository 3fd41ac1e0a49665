import type { BackupPair } from '../backup/types.js';
import type { StepContext } from './step.js';

type Found = Pick<StepContext, 'work' | 'backup' | 'assessment'>;

/** The backup that this run takes from: the one that a restore verified, else the newest whose graph half is usable. */
export function pairInUse({ work, backup }: Omit<Found, 'assessment'>): BackupPair | null {
  return work.pair ?? backup;
}

/**
 * The pair whose vector half this run takes from: the one that a restore verified, else the newest that has a usable one.
 * Where the verified pair has none, it is of another run, and is used only for memories whose text is still the same.
 */
export function vectorsInUse({ work, assessment }: Omit<Found, 'backup'>): BackupPair | null {
  return work.pair?.vectors != null ? work.pair : assessment.backups.newestVectors;
}

/** What a step sees of the backups: once a restore verified one, that and no other is the newest. */
export function backupsInUse(found: Found): Pick<Found, 'backup' | 'assessment'> {
  const { work, assessment } = found;
  if (work.pair === null) return found;
  const backup = pairInUse(found);
  const newest = work.pair.graph === null ? null : work.pair;
  const backups = { ...assessment.backups, newest, newestVectors: vectorsInUse(found) };
  return { backup, assessment: { ...assessment, backups } };
}
