import { createHash } from 'node:crypto';

import { ExitCode, Failure } from '../../failure.js';
import { readFileHeader } from '../../stores/sqlite/file-header.js';
import {
  describeMemoryStore,
  requireMemoryStore,
  type MemoryStoreFacts,
} from '../../stores/sqlite/memory-store.js';
import { SqliteFile, type TableCounts } from '../../stores/sqlite/sqlite-file.js';
import { isLocalTrouble } from './local-trouble.js';

/** What a file was proven to hold. */
export interface ProvenCopy {
  tables: TableCounts;
  memories: MemoryStoreFacts;
  /** SHA-256 of the statements that made tables, indexes, triggers and views. */
  schemaSha256: string;
  /** What is wrong with search indexes, which the service can build anew. */
  notes: string[];
}

/**
 * Reads a copy of a store completely and holds it against what it must be: a database, whole by SQLite's own check, of the
 * memory service's schema, with the rows that were counted.
 *
 * @param path of a file that nobody else has open
 * @param subject how it is called in a failure
 * @param expected rows by table; null where nobody counted them
 * @throws Failure `sqlite-backup-corrupt` or `sqlite-other-schema`; what this machine's disk said, as it said it
 */
export async function proveCopy(
  path: string,
  subject: string,
  expected: TableCounts | null,
): Promise<ProvenCopy> {
  let file: SqliteFile | undefined;
  try {
    await readFileHeader(path);
    file = SqliteFile.openCopy(path);
    const { problems, notes } = file.integrity();
    if (problems.length > 0) throw corrupt(subject, `SQLite's integrity check finds: ${problems.join('; ')}`);
    requireMemoryStore(file, subject);
    const tables = file.counts();
    if (expected !== null) compareCounts(subject, expected, tables);
    return { tables, memories: describeMemoryStore(file), schemaSha256: schemaOf(file), notes };
  } catch (error) {
    if (!(error instanceof Failure) || error.subject === subject || isLocalTrouble(error)) throw error;
    // The file has a name of its own that tells nobody anything.
    throw corrupt(subject, error.reason, error);
  } finally {
    file?.close();
  }
}

/** SQLite's own tables are left out: their statements are those of its version. */
function schemaOf(file: SqliteFile): string {
  const rows = file.all(
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name",
  );
  const made = rows.map(({ type, name, tbl_name: table, sql }) => [type, name, table, sql]);
  return createHash('sha256').update(JSON.stringify(made)).digest('hex');
}

/** @throws Failure `sqlite-backup-corrupt`, naming the tables whose rows differ */
export function compareCounts(subject: string, expected: TableCounts, found: TableCounts): void {
  const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
  const differing = [...names].filter((name) => expected[name] !== found[name]);
  if (differing.length === 0) return;
  const told = differing.map((name) => `${name} ${found[name] ?? 'no table'} of ${expected[name] ?? 'none'}`);
  throw corrupt(subject, `it has other rows than were counted: ${told.join(', ')}`);
}

function corrupt(subject: string, reason: string, cause?: unknown): Failure {
  return new Failure(
    {
      operation: 'prove the copy of the SQLite store',
      subject,
      reason,
      hint: 'Use another backup, or fetch this file again from where it was copied.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code: 'sqlite-backup-corrupt',
    },
    { cause },
  );
}
