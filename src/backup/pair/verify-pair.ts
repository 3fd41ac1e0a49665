import { Failure } from '../../failure.js';
import { CHANGED, FILE_FAILURES, type Archive } from '../../stores/archive/archive.js';
import { gunzipStream } from '../files/container.js';
import { VectorsContent, type HalfContents } from '../content/contents.js';
import { readGraphHalfBeside } from './graph-half-thread.js';
import { counted, type GraphHalf } from './graph-half.js';
import { IdSet } from './id-set.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import { baseOf, HashingArchive, readManifest, type Manifest } from '../manifest.js';
import { compareIds, isDisjoint, type Overlap } from './pair-overlap.js';
import { ProblemList, type Half, type PairProblem } from './pair-problems.js';
import { hasLost, salvagedFrom, salvagedSays } from './salvaged.js';
import type { BackupFile, BackupPair } from '../types.js';
import { readVectorsFile } from '../files/vectors-file.js';
import { VectorsVerifier } from './verify-vectors.js';

export interface VerifyOptions {
  /** The graph that is to be restored; a backup of another one is refused. */
  graphName?: string;
  /** Likewise the collection. */
  collectionName?: string;
  /** Types whose memories are meant to have no vector: RECALL_EXCLUDED_TYPES. */
  excludedTypes: ReadonlySet<string>;
  /** What the restore needs; by default both. A half that is not needed is not read. */
  halves?: 'both' | Half;
  /** The halves are known to be of different runs. */
  mixed?: boolean;
  /** What there is to hold the files against; not given, it is read from beside the pair. */
  manifest?: Manifest | null;
  /** Whether what the halves hold is to be counted and digested. */
  contents?: boolean;
  /** Told the JSON bytes of either half as they are read. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

export interface PairVerification {
  timestamp: string;
  /** Nothing fatal was found: what can be restored of the pair is worth restoring. */
  sound: boolean;
  problems: PairProblem[];
  counts: { nodes: number; memories: number; relationships: number; points: number };
  graphName: string | null;
  collectionName: string | null;
  vectorSize: number | null;
  /** Null unless both halves were read to their ends. */
  overlap: Overlap | null;
  /** Null where there is none beside the pair. */
  manifest: Manifest | null;
  /** Bytes of JSON that were read. */
  bytes: number;
  /** What each half holds, where that was asked for and it was read to its end. */
  contents: Record<Half, HalfContents | null>;
}

/** Of a graph half that was not read. */
const NOTHING: GraphHalf = {
  problems: [],
  memoryIds: new IdSet().data(),
  eligible: new Uint8Array(),
  graphName: null,
  timestamp: null,
  ...{ nodes: 0, memories: 0, relationships: 0 },
  contents: null,
  failure: null,
};

/** The code of what a backup lost before it was written. */
export const SALVAGED = 'salvaged';

/**
 * Reads a backup pair from beginning to end, both halves at once, and holds all of it against itself: gzip and its
 * checksums, JSON, the numbers that the files give, ids, the ends of relationships, the sizes of vectors, the names of graph
 * and collection, and the manifest if there is one. Writes nothing. Memory stays small: of each record its id is kept.
 *
 * @throws Failure when the archive itself cannot be read; what is wrong with the files is in the result
 */
export async function verifyPair(
  archive: Archive,
  pair: BackupPair,
  options: VerifyOptions,
): Promise<PairVerification> {
  const manifest = options.manifest === undefined ? await readManifest(archive, pair) : options.manifest;
  return new Verification(new HashingArchive(archive), pair, manifest, options).run();
}

class Verification {
  private readonly problems = new ProblemList(null);
  private graph = NOTHING;
  private graphProblems = new ProblemList('graph');
  private readonly vectorsContent: VectorsContent | null;
  private readonly vectors = new VectorsVerifier();
  private readonly manifest: Manifest | null;
  private bytes = 0;

  constructor(
    private readonly archive: HashingArchive,
    private readonly pair: BackupPair,
    manifest: Manifest | string | null,
    private readonly options: VerifyOptions,
  ) {
    this.vectorsContent = options.contents === true ? new VectorsContent() : null;
    this.manifest = typeof manifest === 'string' ? null : manifest;
    if (typeof manifest === 'string')
      this.problems.record('note', 'manifest-unreadable', manifest, 'manifest', manifest);
    this.noteSalvaged();
  }

  async run(): Promise<PairVerification> {
    const { vectors, pair, options } = this;
    // One that fails must not leave the other reading on: both are waited for.
    const [graphRead, vectorsRead] = await settled([
      options.halves === 'vectors' ? Promise.resolve(false) : this.readGraph(),
      options.halves === 'graph' ? Promise.resolve(false) : this.readVectors(),
    ]);
    this.compareNames();
    const bothRead = graphRead && vectorsRead;
    const overlap = bothRead ? this.compareIds() : null;
    if (bothRead) this.compareRuns();
    await this.compareManifest();
    const problems = [...this.graphProblems.all(), ...vectors.problems.all(), ...this.problems.all()];
    const { nodes, memories, relationships, graphName } = this.graph;
    return {
      timestamp: pair.timestamp,
      sound: problems.every(({ severity }) => severity !== 'fatal'),
      problems,
      counts: { nodes, memories, relationships, points: vectors.points },
      graphName,
      collectionName: vectors.collectionName,
      vectorSize: vectors.vectorSize,
      overlap,
      manifest: this.manifest,
      bytes: this.bytes,
      contents: {
        graph: graphRead ? this.graph.contents : null,
        vectors: vectorsRead ? (this.vectorsContent?.contents() ?? null) : null,
      },
    };
  }

  /** Records that were lost before the pair was written. Of memories without points, what is to be said is said. */
  private noteSalvaged(): void {
    const { manifest, options, problems } = this;
    const salvaged = manifest === null ? null : salvagedFrom(manifest);
    if (salvaged === null) return;
    const halves = options.halves === 'vectors' ? (['vectors'] as const) : (['graph'] as const);
    if (hasLost(salvaged, halves)) problems.whole('loss', SALVAGED, salvagedSays(salvaged, halves));
    else problems.whole('note', SALVAGED, salvagedSays(salvaged));
  }

  /** Hashing costs time, and without a manifest there is nothing to hold the hash against. */
  private get source(): Archive {
    return this.manifest === null ? this.archive.plain : this.archive;
  }

  private async readGraph(): Promise<boolean> {
    const { pair, options } = this;
    return this.readHalf('graph', pair.graph, async (file) => {
      const { excludedTypes, contents = false, signal } = options;
      const { onBytes } = this;
      const asked = { excludedTypes, contents, onBytes };
      this.graph = await readGraphHalfBeside(this.source, file, asked, signal);
      this.graphProblems = new ProblemList('graph', this.graph.problems);
      if (this.graph.failure !== null) throw this.graph.failure;
    });
  }

  private async readVectors(): Promise<boolean> {
    const { vectors, vectorsContent, pair } = this;
    return this.readHalf('vectors', pair.vectors, async (file) => {
      const chunks = counted(gunzipStream(this.source, file), this.onBytes);
      const vectorForm = vectorsContent === null ? 'size' : 'bytes';
      for await (const part of readVectorsFile(file.path, chunks, { vectorForm })) {
        vectors.part(part);
        vectorsContent?.part(part);
      }
      vectors.finish();
    });
  }

  /** @returns whether the half was read to its end */
  private async readHalf(
    half: Half,
    file: BackupFile | null,
    read: (file: BackupFile) => Promise<void>,
  ): Promise<boolean> {
    if (file === null) {
      const name = half === 'graph' ? 'graph' : 'vector';
      this.problemsOf(half).fatal('half-missing', `the ${name} half is missing`);
      return false;
    }
    try {
      await read(file);
      return true;
    } catch (error) {
      if (!isOfTheFile(error)) throw error;
      this.problemsOf(half).fatal(error.code, `${file.path}: ${error.reason}`);
      return false;
    }
  }

  private problemsOf(half: Half): ProblemList {
    return half === 'graph' ? this.graphProblems : this.vectors.problems;
  }

  private readonly onBytes = (bytes: number): void => {
    this.options.signal?.throwIfAborted();
    this.bytes += bytes;
    this.options.onBytes?.(bytes);
  };

  private compareNames(): void {
    const { graph, vectors, options } = this;
    if (graph.graphName !== null && (options.graphName ?? graph.graphName) !== graph.graphName)
      this.graphProblems.fatal(
        'graph-name',
        `it is a backup of the graph "${graph.graphName}", not of "${options.graphName ?? ''}"`,
      );
    const { collectionName } = vectors;
    if (collectionName !== null && (options.collectionName ?? collectionName) !== collectionName)
      vectors.problems.fatal(
        'collection-name',
        `it is a backup of the collection "${collectionName}", not of "${options.collectionName ?? ''}"`,
      );
  }

  /** The timestamps in the files: names can be changed. */
  private compareRuns(): void {
    const [graph, vectors] = [this.graph.timestamp, this.vectors.timestamp];
    if (graph === null || vectors === null) return;
    if (graph !== vectors) {
      const message = `the graph half is of the run ${graph}, the vector half of the run ${vectors}`;
      if (this.options.mixed !== true) this.problems.fatal('different-runs', message);
      else this.problems.record('note', 'different-runs', message, 'pair', message);
    } else if (graph !== this.pair.timestamp) {
      const reason = `the files are named ${this.pair.timestamp} and say that they are of the run ${graph}`;
      this.problems.record('note', 'renamed', reason, 'pair', reason);
    }
  }

  private compareIds(): Overlap {
    const { memoryIds, eligible } = this.graph;
    const overlap = compareIds({ memoryIds: IdSet.from(memoryIds), eligible }, this.vectors);
    if (isDisjoint(overlap))
      this.problems.fatal(
        'pair-disjoint',
        'not one memory of the graph half has a point in the vector half: they do not belong together',
      );
    return overlap;
  }

  private async compareManifest(): Promise<void> {
    const { graphProblems, vectors, pair, options } = this;
    if (options.halves !== 'vectors') await this.compareFile(pair.graph, graphProblems);
    if (options.halves !== 'graph') await this.compareFile(pair.vectors, vectors.problems);
  }

  private async compareFile(file: BackupFile | null, problems: ProblemList): Promise<void> {
    const expected = this.manifest?.files.get(file?.path.slice(baseOf(this.pair).length) ?? '');
    // A missing file was told already.
    if (file === null || expected === undefined) return;
    if (expected.bytes !== file.bytes) {
      problems.fatal(
        'manifest-size',
        `${file.path} has ${file.bytes} bytes where its manifest says ${expected.bytes}`,
      );
      return;
    }
    const { sha256 } = await this.archive.hashOf(file.path);
    // What an encrypted file is read as is what it holds.
    const isEncrypted = file.path.endsWith(ENCRYPTED_SUFFIX);
    if (sha256 !== (isEncrypted ? expected.gzipSha256 : expected.sha256))
      problems.fatal('manifest-checksum', `${file.path} is not the file that its manifest describes`);
  }
}

/** Whether it is the file that is bad, and not the way to it. */
function isOfTheFile(error: unknown): error is Failure {
  if (!(error instanceof Failure) || error.code === CHANGED) return false;
  return error.code.startsWith('backup-') || FILE_FAILURES.has(error.code);
}

/** As Promise.all, but waits for all before it throws. */
async function settled<T>(promises: Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
