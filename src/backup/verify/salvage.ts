import { ExitCode, Failure } from '../../failure.js';
import { isMap } from '../../memory/values.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { catalogue } from '../catalogue.js';
import { HalfFile, type Target } from '../create/half-file.js';
import { sealManifest } from '../create/write-manifest.js';
import { undecrypted } from '../decrypting-archive.js';
import { besidePath, ENCRYPTED_SUFFIX, halfPath } from '../layout.js';
import { baseOf, type Manifest } from '../manifest.js';
import type { BackupFile, BackupPair } from '../types.js';
import type { GraphContent, VectorsContent } from '../content/contents.js';
import { numberIn, type ListName } from './damage.js';
import { told } from './quick-check.js';
import { ProblemList, type Half, type PairProblem } from '../pair/pair-problems.js';
import { readableText } from './readable-text.js';
import { GraphSalvage, VectorsSalvage, type HalfCounts, type KnownFacts } from './salvage-half.js';
import { salvagedManifest, type SalvagedFile } from './salvage-manifest.js';
import { sealedManifest } from './sealed-manifest.js';

export interface SalvageOptions {
  /** age recipients for the new files; none: not encrypted. */
  recipients: readonly string[];
  /** What the graph and the collection are called, where neither file nor manifest tells any more. */
  names: { graph: string; collection: string };
  /** "lifeboat 0.1.0". */
  tool: string;
  now: () => Date;
  signal: AbortSignal;
}

/** What was saved of a pair, and what was not. */
export interface Salvage {
  timestamp: string;
  /** Where the new pair lies; null where nothing could be saved. */
  place: string | null;
  /** By half; null for one of which nothing could be saved. */
  graph: HalfCounts | null;
  vectors: HalfCounts | null;
  /** Halves that should be there and of which nothing was saved. */
  missing: Half[];
  /** What stood in the way, file by file. */
  problems: PairProblem[];
  /** Nothing is lost, and all that was saved is proven. */
  complete: boolean;
}

/**
 * Writes what is readable of a damaged pair into a new one of the same timestamp: whole records alone, and of the
 * relationships those of which both ends are saved. The new pair has a manifest of its own and verifies. The damaged one
 * stays as it is.
 *
 * @param output another place than the archive, without a backup of that timestamp
 * @throws Failure when it cannot be read or written at all
 */
export async function salvagePair(
  archive: Archive,
  pair: BackupPair,
  output: WritableArchive,
  options: SalvageOptions,
): Promise<Salvage> {
  await refuseTaken(archive, pair, output);
  const { manifest, problems } = await sealedManifest(undecrypted(archive), pair);
  const work = new SalvageWork(archive, pair, manifest, { archive: output, failure: null }, options);
  const result = await work.run();
  return { ...result, problems: [...problems, ...result.problems] };
}

interface Opened<Content> extends SalvagedFile<Content> {
  file: HalfFile;
}

class SalvageWork {
  private readonly problems: PairProblem[] = [];
  private readonly files: HalfFile[] = [];

  constructor(
    private readonly archive: Archive,
    private readonly pair: BackupPair,
    private readonly manifest: Manifest | null,
    private readonly target: Target,
    private readonly options: SalvageOptions,
  ) {}

  async run(): Promise<Salvage> {
    const { pair, manifest, problems, target } = this;
    try {
      const graph = await this.half<GraphContent>(
        'graph',
        (file) => new GraphSalvage(file.writer, this.known('graph')),
      );
      const vectors = await this.half<VectorsContent>(
        'vectors',
        (file) => new VectorsSalvage(file.writer, this.known('vectors')),
      );
      const hasAny = graph !== null || vectors !== null;
      if (hasAny) await this.place(graph, vectors);
      const saved = { graph, vectors };
      const missing = (['graph', 'vectors'] as const).filter(
        (half) => saved[half] === null && (manifest?.only == null || manifest.only === half),
      );
      return {
        timestamp: pair.timestamp,
        place: hasAny ? target.archive.place : null,
        graph: graph?.counts ?? null,
        vectors: vectors?.counts ?? null,
        missing,
        problems,
        complete:
          missing.length === 0 && [graph, vectors].every((half) => half === null || isComplete(half.counts)),
      };
    } finally {
      await Promise.all(this.files.map((file) => file.abandon()));
    }
  }

  /** @returns null where there is nothing to save */
  private async half<Content extends GraphContent | VectorsContent>(
    half: Half,
    begin: (file: HalfFile) => (GraphSalvage | VectorsSalvage) & { content: Content },
  ): Promise<Opened<Content> | null> {
    const { pair, options, target } = this;
    const source = pair[half];
    if (source === null) return null;
    const path = halfPath(half, pair.timestamp) + (options.recipients.length > 0 ? ENCRYPTED_SUFFIX : '');
    const file = await HalfFile.open([target], path, options.recipients, options.signal);
    this.files.push(file);
    const salvage = begin(file);
    await this.read(half, source, salvage);
    const counts = await salvage.finish();
    const facts = await file.finish();
    const { content } = salvage;
    if (Object.values(counts.saved).every((count) => count === 0)) return null;
    return { path, file, facts, content, counts };
  }

  /** As far as it goes: what breaks off is told, and what came before is kept. */
  private async read(half: Half, file: BackupFile, salvage: GraphSalvage | VectorsSalvage): Promise<void> {
    const { archive, pair, manifest, options, problems } = this;
    const expected = manifest?.files.get(file.path.slice(baseOf(pair).length));
    // Where bytes are missing or came in, the blocks do not lie where they lay.
    const blocks = expected?.bytes === file.bytes ? expected.blocks : [];
    const list = new ProblemList(half);
    await told(list, file, async () => {
      for await (const part of readableText(archive, file, blocks, options.signal)) await salvage.part(part);
    });
    problems.push(...list.all());
  }

  private known(half: Half): KnownFacts {
    const { pair, manifest, options } = this;
    const facts = manifest?.body[half];
    const key = half === 'graph' ? 'name' : 'collection';
    const name = isMap(facts) ? facts[key] : null;
    return {
      timestamp: pair.timestamp,
      name: typeof name === 'string' ? name : options.names[half === 'graph' ? 'graph' : 'collection'],
      expected: (list: ListName) => numberIn(facts, list),
    };
  }

  /** The manifest comes last: a pair that has one is whole. */
  private async place(
    graph: Opened<GraphContent> | null,
    vectors: Opened<VectorsContent> | null,
  ): Promise<void> {
    const { pair, manifest, options, target } = this;
    const output = target.archive;
    const body = salvagedManifest({
      timestamp: pair.timestamp,
      takenAt: pair.takenAt,
      at: options.now(),
      tool: options.tool,
      place: this.archive.place,
      encrypted: options.recipients.length > 0,
      names: { graph: this.known('graph').name, collection: this.known('vectors').name },
      manifest,
      graph,
      vectors,
    });
    const there: string[] = [];
    try {
      for (const half of [graph, vectors]) {
        if (half === null) continue;
        await half.file.commit(target);
        there.push(output.base + half.path);
      }
      const file = await output.create(output.base + besidePath('manifest', pair.timestamp));
      try {
        await file.write(Buffer.from(sealManifest(body)));
        await file.commit();
      } finally {
        await file.abandon();
      }
    } catch (error) {
      for (const path of there) await output.remove(path).catch(() => undefined);
      throw error;
    }
  }
}

function isComplete({ lost, unproven }: HalfCounts): boolean {
  return unproven === 0 && Object.values(lost).every((count) => count === 0);
}

async function refuseTaken(archive: Archive, pair: BackupPair, output: WritableArchive): Promise<void> {
  if (output.place === archive.place)
    throw refusal(output.place, 'it is where the damaged backup lies', 'Name another folder with --output.');
  let pairs: BackupPair[];
  try {
    pairs = await catalogue(output);
  } catch (error) {
    // It is made with the first file.
    if (error instanceof Failure && error.code === 'archive-missing') return;
    throw error;
  }
  if (pairs.some(({ timestamp }) => timestamp === pair.timestamp))
    throw refusal(
      output.place,
      `there is a backup ${pair.timestamp} in it already`,
      'Name an empty folder with --output. Nothing is ever written over.',
    );
}

function refusal(subject: string, reason: string, hint: string): Failure {
  const code = 'salvage-output';
  return new Failure({
    operation: 'salvage the backup',
    subject,
    reason,
    hint,
    exitCode: ExitCode.usage,
    code,
  });
}
