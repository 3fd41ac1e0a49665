import v8 from 'node:v8';
import vm from 'node:vm';

/** Bytes. Large enough that pages in flight die young, small enough to count little. */
const YOUNG_GENERATION = 16 * 1024 * 1024;
/** Bytes of garbage, above what was alive after the last collection, that are worth a collection (some 30 ms). */
const GARBAGE = 80 * 1024 * 1024;
const CHECK_MS = 20;

/**
 * Keeps the process small. Recoveries stream, so little is alive at any time, but V8 sees a machine with much memory and
 * lets garbage pile up to hundreds of megabytes: memory that the stores on the same machine may need. Flags on the command
 * line could say the same, but not for every way in which Lifeboat is started.
 */
export function keepHeapSmall(): void {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  let alive = v8.getHeapStatistics().used_heap_size;
  let isYoungFrozen = false;
  setInterval(() => {
    if (!isYoungFrozen && youngGeneration() >= YOUNG_GENERATION) {
      isYoungFrozen = true;
      v8.setFlagsFromString('--semi-space-growth-factor=1');
    }
    if (v8.getHeapStatistics().used_heap_size < alive + GARBAGE) return;
    collect();
    alive = v8.getHeapStatistics().used_heap_size;
  }, CHECK_MS).unref();
}

function youngGeneration(): number {
  return v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;
}
