import { Worker } from 'node:worker_threads';
import { ExitCode, Failure, type FailureFacts } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { readGraphHalf, type GraphHalf, type GraphHalfOptions } from './graph-half.js';
import { ArchiveServer, type ArchiveRequest } from './port-archive.js';
import type { BackupFile } from '../types.js';

/** Compressed bytes from which a thread saves more time than it takes to start. */
const WORTH_A_THREAD = 1024 * 1024;

const THREAD = new URL('./graph-half.worker.js', import.meta.url);

/** Run from TypeScript, as tests do, there is no such file. */
const IS_BUILT = import.meta.url.endsWith('.js');

/** Megabytes; see heap.ts. */
const YOUNG_GENERATION = 16;

/** What the thread begins with. */
export interface GraphHalfTask {
  file: BackupFile;
  /** The archive's own name. */
  place: string;
  excludedTypes: string[];
  contents: boolean;
}

/** What the thread says besides its requests to the archive. */
export type GraphHalfNews =
  | { kind: 'bytes'; bytes: number }
  | { kind: 'done'; half: Omit<GraphHalf, 'failure'>; failure: FailureFacts | null };

/**
 * As {@link readGraphHalf}, on a thread of its own where the file is large: the halves of a pair have nothing to do with each
 * other until both are read, and reading one is all that a processor can do. The archive stays here, with its keys and its
 * connections; only bytes go over.
 *
 * @throws what the archive throws that is no Failure; the reason of the signal
 */
export async function readGraphHalfBeside(
  archive: Archive,
  file: BackupFile,
  options: GraphHalfOptions,
  signal?: AbortSignal,
): Promise<GraphHalf> {
  if (!IS_BUILT || file.bytes < WORTH_A_THREAD) return readGraphHalf(archive, file, options);
  signal?.throwIfAborted();
  const { excludedTypes, contents, onBytes } = options;
  const task: GraphHalfTask = { file, place: archive.place, excludedTypes: [...excludedTypes], contents };
  const worker = new Worker(THREAD, {
    workerData: task,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
  });
  const server = new ArchiveServer(archive, (answer, moved) => worker.postMessage(answer, moved));
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => stopped.reject(signal?.reason);
  signal?.addEventListener('abort', stop);
  try {
    return await Promise.race([stopped.promise, server.broken, halfFrom(worker, server, onBytes)]);
  } catch (error) {
    throw isOutOfMemory(error) ? tooLarge(file, error) : error;
  } finally {
    signal?.removeEventListener('abort', stop);
    server.close();
    await worker.terminate();
  }
}

function isOutOfMemory(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY';
}

function tooLarge({ path }: BackupFile, cause: unknown): Failure {
  return new Failure(
    {
      operation: 'read the backup',
      subject: path,
      reason: 'there is not enough memory for its records',
      hint: 'Give the process more (NODE_OPTIONS=--max-old-space-size=4096, in megabytes), or read it on another machine.',
      exitCode: ExitCode.failed,
      code: 'out-of-memory',
    },
    { cause },
  );
}

function halfFrom(
  worker: Worker,
  server: ArchiveServer,
  onBytes: (bytes: number) => void,
): Promise<GraphHalf> {
  const { promise, resolve, reject } = Promise.withResolvers<GraphHalf>();
  const hear = (news: GraphHalfNews | ArchiveRequest): void => {
    if (news.kind === 'bytes') onBytes(news.bytes);
    // The Failure that came from here is given back as it was, with its cause.
    else if (news.kind === 'done')
      resolve({ ...news.half, failure: server.failure ?? (news.failure && new Failure(news.failure)) });
    else server.take(news);
  };
  worker.on('message', (news: GraphHalfNews | ArchiveRequest) => {
    try {
      hear(news);
    } catch (error) {
      reject(error);
    }
  });
  worker.on('error', reject);
  worker.on('exit', (code) => reject(new Error(`the thread that reads the graph half ended (${code})`)));
  return promise;
}
