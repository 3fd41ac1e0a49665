import { ExitCode, Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { MemoryStoreFacts } from '../../stores/sqlite/memory-store.js';
import type { TableCounts } from '../../stores/sqlite/sqlite-file.js';
import { readBeside } from '../beside-file.js';
import { isSealed, sealManifest } from '../create/write-manifest.js';
import { sqliteBesidePath, type SqliteBackupFile } from './names.js';

const FORMAT = 'lifeboat-sqlite-backup';
const VERSION = 1;

/** One file of the backup. */
export interface ManifestFile {
  bytes: number;
  sha256: string;
  encryption: 'age' | null;
  /** Size of the database inflated. */
  plain_bytes: number;
  plain_sha256: string;
}

/** What is written beside a backup of a SQLite store. */
export interface SqliteManifest {
  format: typeof FORMAT;
  version: typeof VERSION;
  timestamp: string;
  /** ISO-8601. */
  taken_at: string;
  /** ISO-8601. */
  finished_at: string;
  seconds: number;
  tool: string;
  source: { store: 'mcp-memory-service'; path: string; sqlite: string };
  /** By path relative to the folder that the manifest lies in. */
  files: Record<string, ManifestFile>;
  /** Rows by table, the same in the store at that moment and in the file. */
  tables: TableCounts;
  /** SHA-256 of the statements that made all of it; missing in manifests of the first versions. */
  schema_sha256?: string;
  memories: MemoryStoreFacts;
  /** Whether other processes wrote while the backup was taken; their writes are not in it. */
  writes_meanwhile: boolean;
}

/** The parts of a manifest that are not always the same. */
export type ManifestFacts = Omit<SqliteManifest, 'format' | 'version'>;

/** The one file that a manifest describes, by its path; null in a manifest that names none, or several. */
export function describedFile({ files }: SqliteManifest): [path: string, facts: ManifestFile] | null {
  const [only, ...more] = Object.entries(files);
  return more.length === 0 ? (only ?? null) : null;
}

/** What a manifest demands of a file of its backup. */
export function expectedOf(
  manifest: SqliteManifest | null,
  { base, path }: Pick<SqliteBackupFile, 'base' | 'path'>,
): { file: ManifestFile | null; plain: ManifestFile | null } {
  const described = manifest === null ? null : describedFile(manifest);
  if (described === null) return { file: null, plain: null };
  const [name, facts] = described;
  return { file: base + name === path ? facts : null, plain: facts };
}

/** The bytes of a manifest, sealed. */
export function manifestBytes(facts: ManifestFacts): Buffer {
  return Buffer.from(sealManifest({ format: FORMAT, version: VERSION, ...facts }));
}

/**
 * The manifest of a backup.
 *
 * @param base the folder that the backup lies in: "" or a prefix that ends in "/"
 * @returns null where there is none
 * @throws Failure `sqlite-manifest-damaged` where it is not as it was written, or the archive cannot be read
 */
export async function readSqliteManifest(
  archive: Archive,
  base: string,
  timestamp: string,
): Promise<SqliteManifest | null> {
  const path = `${base}${sqliteBesidePath('manifest', timestamp)}`;
  const text = await readBeside(archive, path);
  if (text === null) return null;
  if (isSealed(text) !== true) throw damaged(path, 'it was changed, or cut short');
  // What carries the seal is what was written, member by member.
  const manifest = JSON.parse(text) as Partial<SqliteManifest>;
  if (manifest.format !== FORMAT || manifest.version !== VERSION)
    throw damaged(path, 'it is of another format, or of a later Lifeboat');
  if (manifest.timestamp !== timestamp) throw damaged(path, `it is of ${manifest.timestamp ?? 'no backup'}`);
  return manifest as SqliteManifest;
}

function damaged(path: string, reason: string): Failure {
  return new Failure({
    operation: 'read the manifest of the backup',
    subject: path,
    reason,
    hint: 'Use another backup. To restore this one by what the file itself proves, move its manifest away.',
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'sqlite-manifest-damaged',
  });
}
