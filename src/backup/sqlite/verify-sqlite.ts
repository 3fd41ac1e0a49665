import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { ExitCode, Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { localArchive } from '../../stores/archive/local-archive.js';
import { makePrivateFolder, type PrivateFolder } from '../../stores/archive/private-folder.js';
import { ProblemList, type PairProblem } from '../pair/pair-problems.js';
import { hashFile, type FileFacts } from '../verify/hash-file.js';
import { told } from '../verify/quick-check.js';
import type { VerifyLevel } from '../verify/verified-notes.js';
import type { SqliteBackupFile } from './names.js';
import { proveCopy, type ProvenCopy } from './prove-copy.js';
import { restoreSqlite } from './restore-sqlite.js';
import { expectedOf, readSqliteManifest, type SqliteManifest } from './sqlite-manifest.js';
import { unpackSqlite, type Identities, type Unpacked } from './unpack-sqlite.js';

export interface VerifySqliteOptions {
  level: VerifyLevel;
  /** Absolute folder for what is unpacked, with room for the whole store. */
  scratch: string;
  identities: Identities;
  signal?: AbortSignal;
}

/** What a verification of the backup of a SQLite store came to. */
export interface SqliteVerification {
  timestamp: string;
  place: string;
  /** Everything that was to be looked at was, and nothing is wrong. */
  ok: boolean;
  /** How closely it was looked at: where no key opens it, less closely than was asked for. */
  level: VerifyLevel;
  problems: PairProblem[];
  /** What could not be looked at, and why, in plain words. */
  unproven: string[];
  /** No key that is there opens it. */
  noKey: boolean;
  /** Null where there is none that proves itself. */
  manifest: SqliteManifest | null;
  /** Of the file as it lies there; null where it was not read to its end. */
  file: FileFacts | null;
  /** What the database in it holds; null where it was not opened. */
  content: (ProvenCopy & Pick<Unpacked, 'plainBytes'>) | null;
}

/**
 * Proves the backup of a SQLite store. Quick: its manifest, and size and checksum of the file as it lies there. Full: besides,
 * it is unpacked and opened: SQLite's integrity check, the rows of every table and the schema as the manifest has them. Deep:
 * besides, it is restored as `backup restore` does it, into a folder of its own, and compared with what was unpacked.
 *
 * @param archive whose files are as they lie there
 * @throws Failure when the archive itself cannot be read, or when this machine's disk fails or is full; what is wrong with the
 *   backup is in the result
 */
export async function verifySqlite(
  archive: Archive,
  file: SqliteBackupFile,
  options: VerifySqliteOptions,
): Promise<SqliteVerification> {
  const problems = new ProblemList(null);
  const manifest = await provenManifest(archive, file, problems);
  const result: SqliteVerification = {
    ...{ timestamp: file.timestamp, place: archive.place, ok: false, level: options.level },
    ...{ problems: [], unproven: [], noKey: false, manifest, file: null, content: null },
  };
  if (isDescribed(file, manifest, problems)) {
    const proof = new Proof(archive, file, result, problems, options);
    await (options.level === 'quick' ? proof.quick() : proof.full());
  }
  result.problems = problems.all();
  result.ok = result.unproven.length === 0 && result.problems.every(({ severity }) => severity === 'note');
  return result;
}

async function provenManifest(
  archive: Archive,
  { base, timestamp }: SqliteBackupFile,
  problems: ProblemList,
): Promise<SqliteManifest | null> {
  try {
    const manifest = await readSqliteManifest(archive, base, timestamp);
    if (manifest === null) problems.whole('note', 'manifest-missing', 'the manifest of it is not there');
    return manifest;
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'sqlite-manifest-damaged') throw error;
    problems.whole('loss', 'manifest-changed', `${error.subject}: ${error.reason}`);
    return null;
  }
}

/** Whether it can be the file that the manifest describes, as far as the listing tells. */
function isDescribed(
  { path, bytes, timestamp, base }: SqliteBackupFile,
  manifest: SqliteManifest | null,
  problems: ProblemList,
): boolean {
  if (manifest === null) return true;
  const expected = expectedOf(manifest, { path, base }).file;
  if (expected === null)
    problems.fatal('manifest-file', `${path} is not the file that the manifest of ${timestamp} names`);
  else if (expected.bytes !== bytes)
    problems.fatal('manifest-size', `${path} has ${bytes} bytes where its manifest says ${expected.bytes}`);
  return expected?.bytes === bytes;
}

/** These speak against what is on this machine, and not against the backup. */
const UNOPENED: ReadonlySet<string> = new Set(['backup-key', 'scratch-full', 'sqlite-disk-full']);

/** What a database that was unpacked may be. */
const UNSOUND: ReadonlySet<string> = new Set(['sqlite-backup-corrupt', 'sqlite-other-schema']);

class Proof {
  constructor(
    private readonly archive: Archive,
    private readonly file: SqliteBackupFile,
    private readonly result: SqliteVerification,
    private readonly problems: ProblemList,
    private readonly options: VerifySqliteOptions,
  ) {}

  async quick(): Promise<void> {
    const { archive, file, result, problems, options } = this;
    const { signal } = options;
    await told(problems, file, async () => {
      result.file = await hashFile(archive, file, signal === undefined ? {} : { signal });
    });
    if (result.manifest === null) result.unproven.push('There is no manifest to hold its checksum against.');
    else this.checkSum();
  }

  async full(): Promise<void> {
    const { result, options } = this;
    result.level = 'full';
    const folder = await makePrivateFolder(options.scratch);
    try {
      const unpacked = join(folder.path, 'unpacked.sqlite3');
      const plainSha256 = await this.open(unpacked, folder.room);
      if (plainSha256 === null || options.level !== 'deep') return;
      // The restore needs the room.
      await rm(unpacked);
      await this.restore(folder, plainSha256);
    } finally {
      await folder.close();
    }
  }

  private checkSum(): void {
    const { file, result, problems } = this;
    const expected = expectedOf(result.manifest, file).file;
    if (result.file === null || expected === null || result.file.sha256 === expected.sha256) return;
    problems.fatal('manifest-checksum', `${file.path} is not the file that its manifest describes`);
  }

  /** Unpacks it and reads all of it. @returns the SHA-256 of the database; null where it is not sound */
  private async open(to: string, room: number): Promise<string | null> {
    const { archive, file, result, problems, options } = this;
    const { identities, signal } = options;
    const nothing = { file: null, plain: null };
    try {
      const unpacked = await unpackSqlite(archive, file, nothing, identities, {
        ...{ to, room, isScratch: true, signal },
      });
      result.file = { bytes: unpacked.bytes, sha256: unpacked.sha256 };
      this.checkSum();
      const content = await proveCopy(to, file.path, result.manifest?.tables ?? null);
      result.content = { ...content, plainBytes: unpacked.plainBytes };
      this.checkContent(unpacked.plainSha256);
      return problems.all().some(({ severity }) => severity === 'fatal') ? null : unpacked.plainSha256;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      await this.tell(error);
      return null;
    }
  }

  /** What is wrong with the backup is told of it; what is wrong with the place is thrown. */
  private async tell(error: Failure): Promise<void> {
    const { file, result, problems } = this;
    if (UNOPENED.has(error.code)) {
      result.unproven.push(`It could not be opened: ${error.reason}. ${error.hint}`);
      result.noKey = error.code === 'backup-key';
      result.level = 'quick';
      await this.quick();
    } else if (UNSOUND.has(error.code)) problems.fatal(error.code, `${file.path}: ${error.reason}`);
    else await told(problems, file, () => Promise.reject(error));
  }

  private async restore(folder: PrivateFolder, plainSha256: string): Promise<void> {
    const { archive, file, result, problems, options } = this;
    const { identities, signal } = options;
    result.level = 'deep';
    const name = 'restored.sqlite3';
    try {
      await restoreSqlite({
        ...{ archive, file, identities, target: join(folder.path, name), scratch: folder.path },
        ...{ startedAt: new Date(), dryRun: false, force: false, rebuildGraph: false },
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      // It was unpacked and proven already: what else goes wrong, goes wrong on this machine, or on the way to the backup.
      const isOfIt = error instanceof Failure && error.exitCode === ExitCode.nothingToRecoverFrom;
      if (!isOfIt) throw error;
      problems.fatal('not-restorable', `it cannot be restored: ${error.message}`);
      return;
    }
    const restored = await hashFile(localArchive(folder.path), { path: name, bytes: 0 });
    if (restored.sha256 !== plainSha256)
      problems.fatal(
        'restored-differs',
        'what was restored is not, byte for byte, the database in the backup',
      );
  }

  private checkContent(plainSha256: string): void {
    const { file, result, problems } = this;
    const { plain } = expectedOf(result.manifest, file);
    if (plain !== null && plain.plain_sha256 !== plainSha256)
      problems.fatal('manifest-content', `what ${file.path} holds is not what its manifest describes`);
    const schema = result.manifest?.schema_sha256;
    if (schema !== undefined && schema !== result.content?.schemaSha256)
      problems.fatal(
        'manifest-schema',
        `the tables or indexes in ${file.path} are others than in its manifest`,
      );
  }
}
