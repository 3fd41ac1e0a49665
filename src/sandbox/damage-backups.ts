import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { ExitCode, Failure } from '../failure.js';
import { backupPaths } from './fill-backup.js';

/** What a backup file is known by: AutoMem's time stamp in its name. */
const STAMP = /_(\d{8}_\d{6})\./;
const FOLDERS = ['falkordb', 'qdrant'] as const;

/** Removes all files with a backup's time stamp in their name, and nothing else. */
export async function removeBackups(dir: string): Promise<string> {
  let removed = 0;
  for (const folder of [dir, ...FOLDERS.map((name) => join(dir, name))]) {
    for (const name of await namesIn(folder)) {
      if (!STAMP.test(name)) continue;
      await rm(join(folder, name));
      removed++;
    }
  }
  return `removed ${removed} backup files from ${dir}`;
}

/** Stamps of the pairs of which both halves are there, newest first. */
async function pairStamps(dir: string): Promise<string[]> {
  const [graphs, vectors] = await Promise.all(
    FOLDERS.map(async (folder) =>
      (await namesIn(join(dir, folder))).flatMap((name) => STAMP.exec(name)?.[1] ?? []),
    ),
  );
  return [...new Set(graphs)]
    .filter((stamp) => vectors?.includes(stamp))
    .sort()
    .reverse();
}

/**
 * Spoils the graph half of the newest pair in its middle. Compression, checksum, size, beginning and end stay plausible:
 * only who reads it all finds out.
 *
 * @throws Failure when there are not two pairs: with one alone nothing would be left to fall back to.
 */
export async function spoilNewestBackup(dir: string): Promise<string> {
  const stamps = await pairStamps(dir);
  const [newest] = stamps;
  if (newest === undefined || stamps.length < 2) throw tooFew(dir, stamps.length);
  const path = backupPaths(dir, newest).graph;
  const { atime, mtime } = await stat(path);
  const half = Math.floor((await unpackedSize(path)) / 2);
  const partial = `${path}.partial`;
  try {
    const source = createReadStream(path);
    await pipeline(
      source,
      createGunzip(),
      (chunks: AsyncIterable<Buffer>) => spoiled(chunks, half),
      createGzip({ level: 2 }),
      createWriteStream(partial),
    );
    await utimes(partial, atime, mtime);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  return `spoiled the newest graph backup in its middle: ${path}`;
}

const SPOILED_BYTES = 512;

/** The same bytes, but for a stretch from `start` on: so many quotes are no JSON, whether within a string or not. */
async function* spoiled(chunks: AsyncIterable<Buffer>, start: number): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const chunk of chunks) {
    const from = Math.max(0, start - at);
    const to = Math.min(chunk.length, start + SPOILED_BYTES - at);
    if (from < to) chunk.fill('"', from, to);
    at += chunk.length;
    yield chunk;
  }
}

async function unpackedSize(path: string): Promise<number> {
  let size = 0;
  await pipeline(createReadStream(path), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) size += chunk.length;
  });
  return size;
}

/** Empty where there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

function tooFew(subject: string, found: number): Failure {
  return new Failure({
    operation: 'spoil the newest backup',
    subject,
    reason:
      found === 0 ? 'there is no backup pair' : 'there is one backup pair only, and nothing to fall back to',
    hint: 'Fill the stores with an older pair besides.',
    exitCode: ExitCode.failed,
    code: 'too-few-backups',
  });
}
