import type { ArchiveEntry } from '../../stores/archive/archive.js';
import { parseTimestamp } from '../catalogue.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import type { BackupFile } from '../types.js';

/** The folder of these backups, beside those of AutoMem's stores. */
const SQLITE_FOLDER = 'sqlite';

/** The name of a backup of a SQLite store, relative to the folder that backups lie in; without encryption. */
export function sqlitePath(timestamp: string): string {
  return `${SQLITE_FOLDER}/sqlite_${timestamp}.sqlite3.gz`;
}

/** The name of what lies beside it, likewise: another one than beside a pair of the same second. */
export function sqliteBesidePath(what: 'manifest' | 'verified' | 'pinned', timestamp: string): string {
  return `lifeboat_${timestamp}.sqlite.${what}.json`;
}

/** A backup of a SQLite store as a listing shows it. */
export interface SqliteBackupFile extends BackupFile {
  /** `YYYYMMDD_HHMMSS`, UTC. */
  timestamp: string;
  /** ISO-8601. */
  takenAt: string;
  /** The folder that it lies in: "" or a prefix that ends in "/". */
  base: string;
}

/**
 * The backups of SQLite stores among the files of an archive, newest first; other names are left alone. Where one was
 * decrypted beside itself, the encrypted file is taken, which its manifest names.
 */
export function sqliteBackups(entries: readonly ArchiveEntry[]): SqliteBackupFile[] {
  const backups = new Map<string, SqliteBackupFile>();
  for (const { path, bytes, unusable, version, changed } of entries) {
    const match = /^(.*\/)?sqlite\/sqlite_(\d{8}_\d{6})\.sqlite3\.gz(?:\.age)?$/.exec(path);
    const [, base = '', timestamp = ''] = match ?? [];
    const takenAt = parseTimestamp(timestamp);
    if (takenAt === null || unusable !== undefined) continue;
    const key = `${base}${timestamp}`;
    if (backups.has(key) && !path.endsWith(ENCRYPTED_SUFFIX)) continue;
    const listed = {
      ...(version === undefined ? {} : { version }),
      ...(changed === undefined ? {} : { changed }),
    };
    backups.set(key, { timestamp, takenAt: takenAt.toISOString(), path, base, bytes, ...listed });
  }
  return [...backups.values()].sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1));
}
