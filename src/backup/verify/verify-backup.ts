import { Failure } from '../../failure.js';
import { readAll, type Archive } from '../../stores/archive/archive.js';
import { undecrypted } from '../decrypting-archive.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import { baseOf, HashingArchive, type Manifest } from '../manifest.js';
import { ProblemList, type Half, type PairProblem } from '../pair/pair-problems.js';
import { salvagedFrom, salvagedSays } from '../pair/salvaged.js';
import type { BackupFile, BackupPair } from '../types.js';
import { verifyPair, type PairVerification } from '../pair/verify-pair.js';
import { compareContent } from './content-check.js';
import { locateDamage, type FileDamage } from './damage.js';
import { hashFile, type FileFacts, type ReadOptions } from './hash-file.js';
import { halvesOf, quickCheck, type HashOf } from './quick-check.js';
import { readableRecords } from './readable-records.js';
import { sealedManifest } from './sealed-manifest.js';

export interface VerifyBackupOptions extends ReadOptions {
  level: 'quick' | 'full';
  /** Types whose memories are meant to have no vector: RECALL_EXCLUDED_TYPES. */
  excludedTypes: ReadonlySet<string>;
}

/** What a verification came to. */
export interface BackupVerification {
  timestamp: string;
  place: string;
  /** Everything that was to be looked at was, and nothing is lost or wrong. */
  ok: boolean;
  problems: PairProblem[];
  /** What could not be looked at, and why, in plain words. */
  unproven: string[];
  /** No key that is there opens it. */
  noKey: boolean;
  /** Where files are damaged, as far as the manifest tells. */
  damage: FileDamage[];
  /** Null where there is none that proves itself. */
  manifest: Manifest | null;
  /** By path; only what was read to its end. */
  files: Map<string, FileFacts>;
  /** What was read of the records; null where none were. */
  content: PairVerification | null;
  /** Digests of what was read, by half; null where it was not read to its end. */
  digests: Record<Half, string | null>;
}

/**
 * Proves a backup pair. Quick: its manifest, and the sizes and checksums of the files as they lie there. Full: besides,
 * every record is read and held against the others and against the manifest's counts and digests. Where a file is damaged,
 * the manifest's blocks say where and how much of it can be saved.
 *
 * @param archive opens encrypted files as what they hold, where there is a key
 * @throws Failure when the archive itself cannot be read; what is wrong with the backup is in the result
 */
export async function verifyBackup(
  archive: Archive,
  pair: BackupPair,
  options: VerifyBackupOptions,
): Promise<BackupVerification> {
  const { manifest, problems } = await sealedManifest(undecrypted(archive), pair);
  const result: BackupVerification = {
    timestamp: pair.timestamp,
    place: archive.place,
    ok: false,
    problems: [...problems],
    unproven: [],
    noKey: false,
    damage: [],
    manifest,
    files: new Map(),
    content: null,
    digests: { graph: null, vectors: null },
  };
  const salvaged = manifest === null ? null : salvagedFrom(manifest);
  // Its files may be what was written, to the last bit, and yet less than there was.
  if (salvaged !== null) result.problems.push(salvagedNote(salvagedSays(salvaged)));
  const proof = new Proof(archive, pair, manifest, result, options);
  if (options.level === 'full') await proof.full();
  else await proof.quick();
  result.ok = result.unproven.length === 0 && result.problems.every(({ severity }) => severity === 'note');
  return result;
}

function salvagedNote(message: string): PairProblem {
  return { severity: 'note', code: 'salvaged', half: null, message, count: 0, records: [] };
}

class Proof {
  private readonly raw: Archive;

  constructor(
    private readonly archive: Archive,
    private readonly pair: BackupPair,
    private readonly manifest: Manifest | null,
    private readonly result: BackupVerification,
    private readonly options: VerifyBackupOptions,
  ) {
    this.raw = undecrypted(archive);
  }

  async quick(): Promise<void> {
    await this.checkFiles((file) => hashFile(this.raw, file, this.options));
    if (this.manifest === null && this.encrypted.length > 0)
      this.result.unproven.push('It is encrypted, and there is no manifest to hold its files against.');
  }

  async full(): Promise<void> {
    const isEncrypted = this.encrypted.length > 0;
    if (isEncrypted && (await this.lacksKey())) return this.quick();
    const hashing = new HashingArchive(this.archive);
    await this.readRecords(hashing);
    // What passed while it was read need not be read again; of what is encrypted, that was something else.
    await this.checkFiles((file) =>
      file.path.endsWith(ENCRYPTED_SUFFIX)
        ? hashFile(this.raw, file, { ...this.signal })
        : hashing.hashOf(file.path),
    );
    if (isEncrypted) await this.checkContents(hashing);
  }

  private get signal(): Pick<ReadOptions, 'signal'> {
    return this.options.signal === undefined ? {} : { signal: this.options.signal };
  }

  private get encrypted(): BackupFile[] {
    const { graph, vectors } = this.pair;
    return [graph, vectors].filter((file) => file?.path.endsWith(ENCRYPTED_SUFFIX) === true) as BackupFile[];
  }

  /** Says so, where no key opens the pair. */
  private async lacksKey(): Promise<boolean> {
    for (const { path } of this.encrypted) {
      try {
        await readAll(await this.archive.open(path, { start: 0, length: 1 }));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.code !== 'backup-key') continue;
        this.result.noKey = true;
        this.result.unproven.push(
          `Its records could not be read: ${error.reason}. Only the files as they lie there were looked at. ${error.hint}`,
        );
        return true;
      }
    }
    return false;
  }

  private async readRecords(archive: Archive): Promise<void> {
    const { pair, manifest, options, result } = this;
    const content = await verifyPair(archive, pair, {
      excludedTypes: options.excludedTypes,
      halves: manifest?.only ?? 'both',
      manifest: null,
      contents: true,
      ...(options.onBytes === undefined ? {} : { onBytes: options.onBytes }),
      ...this.signal,
    });
    result.content = content;
    result.problems.push(...content.problems.filter(({ code }) => code !== 'half-missing'));
    const { graph, vectors } = content.contents;
    result.digests = { graph: graph?.digest ?? null, vectors: vectors?.digest ?? null };
    if (manifest !== null) result.problems.push(...compareContent(manifest, content.contents));
  }

  private async checkFiles(hash: HashOf): Promise<void> {
    const { archive, pair, manifest, result } = this;
    const check = await quickCheck(archive, pair, manifest, hash);
    result.problems.push(...check.problems.filter((problem) => !this.isKnown(problem)));
    result.files = check.files;
    for (const half of check.changed) await this.locate(half);
  }

  /** A file that is not there, or no gzip file, was told by who read its records. */
  private isKnown({ code, half }: PairProblem): boolean {
    const isSame = (problem: PairProblem): boolean => problem.half === half && problem.severity === 'fatal';
    if (code === 'backup-container') return this.result.problems.some(isSame);
    return this.result.problems.some((problem) => isSame(problem) && problem.code === code);
  }

  private async locate(half: Half): Promise<void> {
    const { archive, pair, manifest, result, options } = this;
    const file = pair[half];
    if (file === null || manifest === null) return;
    const expected = manifest.files.get(file.path.slice(baseOf(pair).length));
    const blocks = expected?.blocks ?? [];
    try {
      const damage = await locateDamage(archive, file.path, half, manifest, blocks, options.signal);
      if (damage === null) return;
      result.damage.push(damage);
      // Where bytes are missing or came in, the blocks do not lie where they lay.
      const inPlace = expected?.bytes === file.bytes ? blocks : [];
      damage.readable = await readableRecords(archive, file, inPlace, options.signal);
    } catch (error) {
      // Without a key, where it is damaged cannot be seen; that it is was told.
      if (!(error instanceof Failure && error.code.startsWith('backup-'))) throw error;
    }
  }

  /** The gzip files inside the encryption. */
  private async checkContents(hashing: HashingArchive): Promise<void> {
    const { pair, manifest, result } = this;
    if (manifest === null) return;
    for (const { half, file } of halvesOf(pair, manifest)) {
      const expected = manifest.files.get(file?.path.slice(baseOf(pair).length) ?? '');
      if (file === null || expected === undefined || result.problems.some((problem) => problem.half === half))
        continue;
      const { sha256 } = await hashing.hashOf(file.path);
      if (sha256 === expected.gzipSha256) continue;
      const problems = new ProblemList(half);
      problems.fatal('manifest-content', `what ${file.path} holds is not what its manifest describes`);
      result.problems.push(...problems.all());
    }
  }
}
