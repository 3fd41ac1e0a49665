import { Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { gunzipStream } from '../files/container.js';
import { GraphContent, type HalfContents } from '../content/contents.js';
import { readBackupFile } from '../files/graph-file.js';
import type { IdSetData } from './id-set.js';
import type { PairProblem } from './pair-problems.js';
import type { BackupFile } from '../types.js';
import { GraphVerifier } from './verify-graph.js';

/** What is to be found out about a graph half. */
export interface GraphHalfOptions {
  /** Types whose memories are meant to have no vector: RECALL_EXCLUDED_TYPES. */
  excludedTypes: ReadonlySet<string>;
  /** Whether what it holds is to be counted and digested. */
  contents: boolean;
  /** Told the bytes of JSON as they are read. */
  onBytes: (bytes: number) => void;
}

/** What was found out about a graph half: plain data, which can go from one thread to another. */
export interface GraphHalf {
  problems: PairProblem[];
  memoryIds: IdSetData;
  /** By position of the id: 1 where the memory is meant to have a vector. */
  eligible: Uint8Array<ArrayBuffer>;
  graphName: string | null;
  timestamp: string | null;
  nodes: number;
  memories: number;
  relationships: number;
  /** Null where it was not asked for. */
  contents: HalfContents | null;
  /** Why it was not read to its end. */
  failure: Failure | null;
}

const LISTS = new Set(['nodes', 'relationships']);

/**
 * Reads a graph half to its end, and holds its records against each other.
 *
 * @throws what is no Failure; those are in the result, with all that was found before
 */
export async function readGraphHalf(
  archive: Archive,
  file: BackupFile,
  { excludedTypes, contents, onBytes }: GraphHalfOptions,
): Promise<GraphHalf> {
  const verifier = new GraphVerifier(excludedTypes);
  const content = contents ? new GraphContent() : null;
  let failure: Failure | null = null;
  try {
    const chunks = counted(gunzipStream(archive, file), onBytes);
    for await (const part of readBackupFile(file.path, chunks, LISTS)) {
      verifier.part(part);
      content?.part(part);
    }
    verifier.finish();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    failure = error;
  }
  const { eligible, graphName, timestamp, nodes, memories, relationships } = verifier;
  return {
    problems: verifier.problems.all(),
    memoryIds: verifier.memoryIds.data(),
    ...{ eligible, graphName, timestamp, nodes, memories, relationships },
    contents: content?.contents() ?? null,
    failure,
  };
}

/** Tells of the bytes that pass. */
export async function* counted(
  chunks: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    onBytes(chunk.length);
    yield chunk;
  }
}
