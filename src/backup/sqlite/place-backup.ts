import { ExitCode, Failure } from '../../failure.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import type { PlacedBackup } from '../create/create-backup.js';
import { assertOwnName } from '../create/free-name.js';
import { assertLiving, attempt, living, type Target } from '../create/half-file.js';
import type { PlacedFile } from './placed-file.js';

/**
 * Gives a file that was written its name at each place, then its manifest: a file without one is still whole, a manifest
 * without a file would be a lie.
 *
 * @param bytes that must lie there
 * @throws what went wrong at the last place, where it lies at none; nothing of it is left there then
 */
export async function placeBackup(
  targets: readonly Target[],
  file: PlacedFile,
  bytes: number,
  manifest: { path: string; content: Buffer },
): Promise<PlacedBackup[]> {
  await Promise.all(
    living(targets).map((target) => attempt(target, () => placeAt(target, file, bytes, manifest))),
  );
  assertLiving(targets);
  await assertOwnName(targets, [file.path, manifest.path]);
  return targets.map(({ archive, failure, isNew }) => {
    // Whatever is no failure is a bug, and must not pass for one.
    if (failure !== null && !(failure instanceof Failure))
      throw failure instanceof Error ? failure : new Error('a place failed', { cause: failure });
    return { place: archive.place, failure, made: isNew === true };
  });
}

async function placeAt(
  target: Target,
  file: PlacedFile,
  bytes: number,
  manifest: { path: string; content: Buffer },
): Promise<void> {
  const { archive } = target;
  const path = archive.base + file.path;
  const found = await file.commit(target);
  try {
    if (found !== bytes) throw shortFile(archive, path, found, bytes);
    await writeWhole(archive, archive.base + manifest.path, manifest.content);
  } catch (error) {
    // What is wrong with the backup is the news; that its file cannot be removed either is not.
    await archive.remove(path).catch(() => undefined);
    throw error;
  }
}

async function writeWhole(archive: WritableArchive, path: string, content: Buffer): Promise<void> {
  const pending = await archive.create(path);
  try {
    await pending.write(content);
    await pending.commit();
  } finally {
    await pending.abandon();
  }
}

function shortFile({ place }: WritableArchive, path: string, found: number, written: number): Failure {
  return new Failure({
    operation: 'write the backup',
    subject: `${place}: ${path}`,
    reason: `${found} bytes lie there where ${written} were written`,
    hint: 'Check the disk or the bucket, and try again.',
    exitCode: ExitCode.failed,
    code: 'backup-short',
  });
}
