import { Failure } from '../../failure.js';
import { CHANGED, FILE_FAILURES, type Archive } from '../../stores/archive/archive.js';
import { checkContainer } from '../files/container.js';
import { undecrypted } from '../decrypting-archive.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import { baseOf, type Manifest } from '../manifest.js';
import { ProblemList, type Half, type PairProblem } from '../pair/pair-problems.js';
import type { BackupFile, BackupPair } from '../types.js';
import type { FileFacts } from './hash-file.js';

/** Reads a file as it lies there, or remembers what it was when it was read. */
export type HashOf = (file: BackupFile) => Promise<FileFacts>;

/** What a look at the files as they lie there came to. */
export interface QuickCheck {
  problems: PairProblem[];
  /** By path; only files that were read to their ends. */
  files: Map<string, FileFacts>;
  /** Halves that are not the files that the manifest describes. */
  changed: Half[];
}

const HALF_NAMES: Record<Half, string> = { graph: 'graph', vectors: 'vector' };

/** The halves of a pair that there are to be, and the file of each. */
export function halvesOf(
  pair: BackupPair,
  manifest: Manifest | null,
): { half: Half; file: BackupFile | null }[] {
  return (['graph', 'vectors'] as const)
    .filter((half) => pair[half] !== null || manifest?.only == null || manifest.only === half)
    .map((half) => ({ half, file: pair[half] }));
}

/**
 * Holds the files of a pair, as they lie there, against its manifest: sizes and checksums. Without one, what can be seen of
 * a gzip file without reading its records. No key is needed.
 *
 * @param manifest null where there is none, or none that can be trusted
 * @param hash of a file as it lies there
 * @throws Failure when the archive itself cannot be read
 */
export async function quickCheck(
  archive: Archive,
  pair: BackupPair,
  manifest: Manifest | null,
  hash: HashOf,
): Promise<QuickCheck> {
  const result: QuickCheck = { problems: [], files: new Map(), changed: [] };
  for (const { half, file } of halvesOf(pair, manifest)) {
    const problems = new ProblemList(half);
    if (file === null) problems.fatal('half-missing', `the ${HALF_NAMES[half]} half is missing`);
    else {
      const check = { archive: undecrypted(archive), pair, manifest, hash, problems, result };
      await told(problems, file, () => checkFile(check, half, file));
    }
    result.problems.push(...problems.all());
  }
  return result;
}

interface Check {
  archive: Archive;
  pair: BackupPair;
  manifest: Manifest | null;
  hash: HashOf;
  problems: ProblemList;
  result: QuickCheck;
}

async function checkFile(check: Check, half: Half, file: BackupFile): Promise<void> {
  const { archive, pair, manifest, hash, problems, result } = check;
  if (manifest === null) {
    if (!(await isSoundContainer(archive, file, problems))) return;
    result.files.set(file.path, await hash(file));
    return;
  }
  const expected = manifest.files.get(file.path.slice(baseOf(pair).length));
  if (expected === undefined) {
    problems.fatal(
      'manifest-file',
      `${file.path} is not the file that the manifest of ${pair.timestamp} names`,
    );
    return;
  }
  if (file.bytes !== expected.bytes) {
    problems.fatal(
      'manifest-size',
      `${file.path} has ${file.bytes} bytes where its manifest says ${expected.bytes}`,
    );
    result.changed.push(half);
    return;
  }
  const facts = await hash(file);
  result.files.set(file.path, facts);
  if (facts.sha256 === expected.sha256 && facts.bytes === expected.bytes) return;
  problems.fatal('manifest-checksum', `${file.path} is not the file that its manifest describes`);
  result.changed.push(half);
}

/** An encrypted file without a manifest says nothing that can be held against anything. */
async function isSoundContainer(archive: Archive, file: BackupFile, problems: ProblemList): Promise<boolean> {
  if (file.path.endsWith(ENCRYPTED_SUFFIX)) {
    if (file.bytes > 0) return true;
    problems.fatal('backup-truncated', `${file.path} is empty (0 bytes)`);
    return false;
  }
  const { status, reason, locked } = await checkContainer(archive, file);
  if (status !== 'broken') return true;
  problems.fatal(locked === true ? 'backup-key' : 'backup-container', reason ?? `${file.path} is broken`);
  return false;
}

/** Whether it is the file that is bad, and neither the way to it nor that another one lies there now. */
function isOfTheFile(error: unknown): error is Failure {
  if (!(error instanceof Failure) || error.code === CHANGED) return false;
  return error.code.startsWith('backup-') || FILE_FAILURES.has(error.code);
}

/** What is wrong with one file is told of it; what is wrong with the place is thrown. */
export async function told(
  problems: ProblemList,
  file: BackupFile,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isOfTheFile(error)) throw error;
    problems.fatal(error.code, `${file.path}: ${error.reason}`);
  }
}
