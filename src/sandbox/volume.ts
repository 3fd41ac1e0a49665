import type { Redis } from 'ioredis';
import { cp, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { connectGraph, graphFailure } from '../stores/graph/connection.js';
import type { StoreAddresses } from './addresses.js';
import { sleep } from './processes.js';

type ServerAddress = Omit<StoreAddresses['graph'], 'name'>;

/** Seconds that a rewrite of the append-only file may take which is under way. */
const PATIENCE = 120;

/**
 * Saves a graph server's data and copies its data folder, snapshot and append-only file alike. Nobody may write
 * meanwhile: the two would not fit together.
 *
 * @throws Failure when the server cannot be reached or does not save.
 */
export async function copyVolume(address: ServerAddress, dataDir: string, copy: string): Promise<void> {
  const redis = await connectGraph(address);
  try {
    const before = await rewriteSetting(redis);
    // The server must not begin a file anew while it is being copied.
    await redis.config('SET', 'auto-aof-rewrite-percentage', '0');
    try {
      await untilQuiet(redis);
      await redis.call('SAVE');
      await cp(dataDir, copy, { recursive: true, errorOnExist: true, filter: isData });
    } finally {
      await redis.config('SET', 'auto-aof-rewrite-percentage', before);
    }
  } catch (error) {
    throw graphFailure('copy the data folder of the graph server', address, error);
  } finally {
    redis.disconnect();
  }
}

/** Puts a copy in place of a data folder. The server must not run. */
export async function putVolumeBack(copy: string, dataDir: string): Promise<void> {
  const incoming = `${dataDir}.incoming`;
  // Whole before anything goes: a copy that cannot be read must not cost what is there.
  await cp(copy, incoming, { recursive: true });
  await rm(dataDir, { recursive: true, force: true });
  await rename(incoming, dataDir);
}

async function rewriteSetting(redis: Redis): Promise<string> {
  const [, percentage] = await redis.config('GET', 'auto-aof-rewrite-percentage');
  return percentage ?? '100';
}

/** Waits until no snapshot and no append-only file is being written in the background. */
async function untilQuiet(redis: Redis): Promise<void> {
  const end = Date.now() + PATIENCE * 1000;
  const busy = /(rdb_bgsave_in_progress|aof_rewrite_in_progress|aof_rewrite_scheduled):1/;
  while (busy.test(await redis.info('persistence'))) {
    if (Date.now() > end)
      throw new Error(`it has been writing its files in the background for ${PATIENCE} s`);
    await sleep(50);
  }
}

/** Not its log, and not the files that it writes before it gives them their name. */
function isData(path: string): boolean {
  return !/^temp-|\.log$/.test(basename(path));
}
