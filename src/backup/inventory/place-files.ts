import { LAYOUT_PREFIX, type Archive, type ArchiveEntry } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { catalogue, isFromFuture, parseTimestamp } from '../catalogue.js';
import { sqliteBackups, type SqliteBackupFile } from '../sqlite/names.js';
import type { BackupPair } from '../types.js';

/** What a backup is of: AutoMem's two stores, or the SQLite store of MCP Memory Service. */
export const BACKUP_KINDS = ['automem', 'sqlite'] as const;
export type BackupKind = (typeof BACKUP_KINDS)[number];

/** What a file of a backup is. */
export type FileKind = 'graph' | 'vectors' | 'store' | 'manifest' | 'verified' | 'pinned';

/** One file of a backup as the listing shows it. */
export interface BackupEntry extends ArchiveEntry {
  kind: FileKind;
}

/** Everything of one kind and timestamp in one folder of a place. */
interface Found {
  archive: Archive;
  /** The folder for people: the place with what its paths begin with. */
  place: string;
  /** What its paths begin with: "" or a prefix that ends in "/". */
  base: string;
  /** Whether it lies where new backups go: what lies elsewhere may be somebody else's, and is never removed. */
  isOwn: boolean;
  /** `YYYYMMDD_HHMMSS`, UTC. */
  timestamp: string;
  /** ISO-8601. */
  takenAt: string;
  /** It lies ahead of this machine's clock. */
  fromFuture: boolean;
  files: BackupEntry[];
}

/** A pair of AutoMem's. */
export interface FoundPair extends Found {
  kind: 'automem';
  /** A pair of which only notes are left has neither half. */
  pair: BackupPair;
}

/** The backup of a SQLite store. */
export interface FoundSqlite extends Found {
  kind: 'sqlite';
  /** Null where it is not there, or cannot be opened. */
  store: SqliteBackupFile | null;
  /** Why it cannot be opened. */
  unusable: string | null;
}

export type FoundBackup = FoundPair | FoundSqlite;

/** What a timestamp alone does not tell apart. */
export function keyOf({ kind, timestamp }: Pick<FoundBackup, 'kind' | 'timestamp'>): string {
  return `${kind} ${timestamp}`;
}

/** Exactly these names, and no others, are those of backups. */
const NAME =
  /^(?:(falkordb|qdrant|sqlite)\/\1_(\d{8}_\d{6})\.(json|sqlite3)\.gz(?:\.age)?|lifeboat_(\d{8}_\d{6})\.(sqlite\.)?(manifest|verified|pinned)\.json)$/;

const STORES: Readonly<Record<string, { file: FileKind; ending: string }>> = {
  falkordb: { file: 'graph', ending: 'json' },
  qdrant: { file: 'vectors', ending: 'json' },
  sqlite: { file: 'store', ending: 'sqlite3' },
};

/**
 * The backups of one place, folder by folder, with all files that belong to each. Other names are left alone.
 *
 * @throws Failure when the place cannot be listed
 */
export async function findBackups(archive: Archive, now: Date): Promise<FoundBackup[]> {
  const entries = await archive.list();
  const own = 'base' in archive ? (archive as WritableArchive).base : null;
  const bases = new Set([own ?? '', '', `${LAYOUT_PREFIX}/`]);
  const found: FoundBackup[] = [];
  for (const base of bases) {
    const groups = groupsOf(entries, base);
    const pairs = await pairsOf(archive, groups, now);
    for (const { kind, timestamp, files } of groups) {
      const date = parseTimestamp(timestamp);
      if (date === null) continue;
      const takenAt = date.toISOString();
      const facts = {
        ...{ archive, base, isOwn: base === own, place: placeName(archive.place, base, own ?? base) },
        ...{ timestamp, takenAt, fromFuture: isFromFuture(date, now), files },
      };
      if (kind === 'sqlite') found.push({ ...facts, ...storeOf(files), kind });
      else found.push({ ...facts, kind, pair: pairs.get(timestamp) ?? leftOver(timestamp, takenAt) });
    }
  }
  return found;
}

interface Group {
  kind: BackupKind;
  timestamp: string;
  files: BackupEntry[];
}

function groupsOf(entries: readonly ArchiveEntry[], base: string): Group[] {
  const groups = new Map<string, Group>();
  for (const entry of entries) {
    const named = entry.path.startsWith(base) ? parseName(entry.path.slice(base.length)) : null;
    if (named === null) continue;
    const { kind, timestamp, file } = named;
    const group = groups.get(keyOf(named)) ?? { kind, timestamp, files: [] };
    group.files.push({ ...entry, kind: file });
    groups.set(keyOf(named), group);
  }
  return [...groups.values()];
}

function parseName(name: string): { kind: BackupKind; timestamp: string; file: FileKind } | null {
  const [, store, ofStore, ending, ofNote = '', sqlite, note] = NAME.exec(name) ?? [];
  if (store !== undefined && ofStore !== undefined) {
    const known = STORES[store];
    if (known === undefined || known.ending !== ending) return null;
    return { kind: store === 'sqlite' ? store : 'automem', timestamp: ofStore, file: known.file };
  }
  if (note === undefined) return null;
  return { kind: sqlite === undefined ? 'automem' : 'sqlite', timestamp: ofNote, file: note as FileKind };
}

/** By timestamp; of one folder alone. */
async function pairsOf(
  archive: Archive,
  groups: readonly Group[],
  now: Date,
): Promise<Map<string, BackupPair>> {
  const listed = {
    place: archive.place,
    list: () => Promise.resolve(groups.flatMap(({ files }) => files)),
    open: (...args: Parameters<Archive['open']>) => archive.open(...args),
  };
  const pairs = await catalogue(listed, now);
  return new Map(pairs.map((pair) => [pair.timestamp, pair]));
}

function storeOf(files: readonly BackupEntry[]): Pick<FoundSqlite, 'store' | 'unusable'> {
  const bad = files.find(({ kind, unusable }) => kind === 'store' && unusable !== undefined);
  const unusable = bad === undefined ? null : `${bad.path}: ${bad.unusable ?? ''}`;
  return { store: sqliteBackups(files)[0] ?? null, unusable };
}

/** Notes whose halves are gone, as after a removal that was interrupted. */
function leftOver(timestamp: string, takenAt: string): BackupPair {
  const missing = { status: 'broken', reason: 'both halves are missing' } as const;
  return {
    ...{ timestamp, takenAt, graph: null, vectors: null },
    ...{ graphVerdict: missing, vectorsVerdict: missing },
  };
}

/** The name of a place ends with what the paths of its own backups begin with, but in a folder, where that is nothing. */
function placeName(place: string, base: string, own: string): string {
  if (base === own) return place;
  const root = own === '' ? place : place.slice(0, -own.length);
  return base === '' ? root : `${root.replace(/\/$/, '')}/${base.slice(0, -1)}`;
}
