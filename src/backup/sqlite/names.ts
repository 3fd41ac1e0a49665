import type { ArchiveEntry } from '../../stores/archive/archive.js';
import { parseTimestamp } from '../catalogue.js';

/** The folder of these backups, beside those of AutoMem's stores. */
const SQLITE_FOLDER = 'sqlite';

/** The name of a backup of a SQLite store, relative to the folder that backups lie in. */
export function sqlitePath(timestamp: string): string {
  return `${SQLITE_FOLDER}/sqlite_${timestamp}.sqlite3.gz`;
}

/** The name of its manifest, likewise. */
export function sqliteManifestPath(timestamp: string): string {
  return `lifeboat_${timestamp}.sqlite.manifest.json`;
}

/** A backup of a SQLite store as a listing shows it. */
export interface SqliteBackupFile {
  /** `YYYYMMDD_HHMMSS`, UTC. */
  timestamp: string;
  /** ISO-8601. */
  takenAt: string;
  path: string;
  /** The folder that it lies in: "" or a prefix that ends in "/". */
  base: string;
  bytes: number;
}

/** The backups of SQLite stores among the files of an archive, newest first; other names are left alone. */
export function sqliteBackups(entries: readonly ArchiveEntry[]): SqliteBackupFile[] {
  const backups: SqliteBackupFile[] = [];
  for (const { path, bytes, unusable } of entries) {
    const match = /^(.*\/)?sqlite\/sqlite_(\d{8}_\d{6})\.sqlite3\.gz$/.exec(path);
    const [, base = '', timestamp = ''] = match ?? [];
    const takenAt = parseTimestamp(timestamp);
    if (takenAt === null || unusable !== undefined) continue;
    backups.push({ timestamp, takenAt: takenAt.toISOString(), path, base, bytes });
  }
  return backups.sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1));
}
