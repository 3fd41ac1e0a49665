import type { BackupPair } from '../backup/types.js';
import type { StepContext } from './step.js';

type Found = Pick<StepContext, 'work' | 'backup' | 'assessment'>;

/**
 * The backup that this run takes from: the one that a restore verified, else the one whose graph half was proven, else the
 * newest whose graph half is usable.
 */
export function pairInUse({ work, backup }: Omit<Found, 'assessment'>): BackupPair | null {
  if (work.pair !== null) return work.pair;
  return work.proven.graph === undefined ? backup : work.proven.graph;
}

/**
 * The pair whose vector half this run takes from: the one that a restore verified, else the one that was proven, else
 * the newest that has a usable one. Where the verified pair has none, it is of another run, and is used only for memories whose text is still the same.
 */
export function vectorsInUse({ work, assessment }: Omit<Found, 'backup'>): BackupPair | null {
  if (work.pair?.vectors != null) return work.pair;
  return work.proven.vectors === undefined ? assessment.backups.newestVectors : work.proven.vectors;
}

/** What a step sees of the backups: once one was verified or proven, that and no other is the newest. */
export function backupsInUse(found: Found): Pick<Found, 'backup' | 'assessment'> {
  const { work, assessment } = found;
  const { graph, vectors } = work.proven;
  if (work.pair === null && graph === undefined && vectors === undefined) return found;
  const backup = pairInUse(found);
  const newest = backup?.graph == null ? null : backup;
  const backups = { ...assessment.backups, newest, newestVectors: vectorsInUse(found) };
  return { backup, assessment: { ...assessment, backups } };
}
