import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system in memory, which takes a sync for nothing: engines, journals and backups sync all the time. */
const MEMORY = '/dev/shm';
/** Bytes that must be free there. A whole run of the tests takes a tenth of it. */
const ROOM = 4 * 1024 ** 3;
/** Short, as paths are shown in terminals of 80 columns; what follows is the number of the process. */
const PREFIX = 'lbt-';

/**
 * Makes the folder that everything temporary of this run goes into: in memory where there is room for it, else where the
 * system has its own. What a run left there that was killed is removed.
 *
 * @returns its absolute path, and how to remove it
 */
export function makeScratch(): { folder: string; remove: () => void } {
  const place = isOfUse() ? MEMORY : tmpdir();
  sweep(place);
  const folder = join(place, `${PREFIX}${process.pid}`);
  // Not one that another user made.
  mkdirSync(folder, { mode: 0o700 });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Tests run programs of their own there, which some systems do not allow. */
function isOfUse(): boolean {
  try {
    const mount = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, path]) => path === MEMORY);
    const { bavail, bsize } = statfsSync(MEMORY);
    const options = mount?.[3]?.split(',') ?? ['ro'];
    return options.includes('rw') && !options.includes('noexec') && bavail * bsize >= ROOM;
  } catch {
    return false;
  }
}

function sweep(place: string): void {
  for (const name of readdirSync(place)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)$`).exec(name)?.[1];
    if (pid !== undefined && (Number(pid) === process.pid || !isRunning(Number(pid))))
      rmSync(join(place, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
