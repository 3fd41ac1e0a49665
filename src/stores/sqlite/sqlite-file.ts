import { existsSync, realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { DatabaseSync, StatementSync } from 'node:sqlite';

import { Failure } from '../../failure.js';
import { sqliteEngine } from './engine.js';
import { sqliteCode, SqliteCode, sqliteFailure } from './sqlite-failure.js';

/** How long a writer is waited for, in milliseconds; what the memory service itself waits. */
const PATIENCE_MS = 5_000;

/** Pages of one step of the online backup: 4 MiB of the usual page. Between steps other work gets its turn. */
const STEP_PAGES = 1_024;

/** How many findings of a check are listed; a file that is broken all over has millions. */
const MAX_FINDINGS = 20;

export type SqlValue = string | number | bigint | null | Uint8Array;
export type SqlRow = Record<string, SqlValue>;

/** Rows by table, in the order of the names. */
export type TableCounts = Record<string, number>;

/** What `PRAGMA integrity_check` found. */
export interface IntegrityReport {
  /** What is wrong with the data, in SQLite's words; empty where all is well. */
  problems: string[];
  /** What is wrong with a search index, which the service can build anew from the data. */
  notes: string[];
}

/** One SQLite database. Whoever opens it closes it. */
export class SqliteFile {
  private constructor(
    private readonly database: DatabaseSync,
    /** Absolute. */
    readonly path: string,
    /** What is to be done when it is closed. */
    private readonly afterwards: () => void = () => undefined,
  ) {}

  /**
   * Opens a live database for reading; its writers go on.
   *
   * @throws Failure when it cannot be opened
   */
  static openToRead(path: string): SqliteFile {
    // A reader cannot remove the files that SQLite makes beside a store in WAL mode, and where the service runs as another
    // user it could not open them: what was not there before must go again.
    // They lie beside the file itself, wherever a link to it lies.
    const itself = behindLinks(path);
    const tidy = existsSync(`${itself}-shm`) ? undefined : () => SqliteFile.removeLog(itself);
    return SqliteFile.open(path, path, { readOnly: true, timeout: PATIENCE_MS }, tidy);
  }

  /**
   * Opens a database for writing; it must be there.
   *
   * @param patienceMs how long a lock of another process is waited for
   * @throws Failure when it cannot be opened
   */
  static openToWrite(path: string, patienceMs = PATIENCE_MS): SqliteFile {
    return SqliteFile.open(path, path, { timeout: patienceMs });
  }

  /** Opens a copy that nobody else knows of: without locks, and without files beside it. */
  static openCopy(path: string): SqliteFile {
    const url = pathToFileURL(path);
    url.searchParams.set('immutable', '1');
    return SqliteFile.open(path, url, { readOnly: true });
  }

  /** The last one that closes a store removes the files beside it, if it may write; if it may not, they do no harm. */
  private static removeLog(path: string): void {
    if (!existsSync(`${path}-shm`)) return;
    try {
      SqliteFile.openToWrite(path, 0).close();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }

  private static open(
    path: string,
    location: string | URL,
    options: { readOnly?: boolean; timeout?: number },
    afterwards?: () => void,
  ): SqliteFile {
    const { DatabaseSync: Database } = sqliteEngine();
    try {
      const file = new SqliteFile(new Database(location, options), path, afterwards);
      try {
        // SQLite reads nothing as it opens a file; the first look at it tells what is wrong.
        file.all('PRAGMA schema_version');
        return file;
      } catch (error) {
        file.close();
        throw error;
      }
    } catch (error) {
      throw sqliteFailure('open the SQLite store', path, error);
    }
  }

  /** All rows of a query. @throws Failure when SQLite cannot read it */
  all(sql: string, ...values: SqlValue[]): SqlRow[] {
    return this.attempt('read the SQLite store', () => this.database.prepare(sql).all(...values));
  }

  /** Runs statements that give no rows. @throws Failure when SQLite cannot do it */
  run(sql: string): void {
    this.attempt('change the SQLite store', () => this.database.exec(sql));
  }

  /** Prepares a statement that is run many times. */
  prepare(sql: string): StatementSync {
    return this.attempt('read the SQLite store', () => this.database.prepare(sql));
  }

  /**
   * Runs all of it in one transaction that holds the right to write; taken back when it throws.
   *
   * @throws Failure `sqlite-locked` when another process is writing
   */
  inTransaction<T>(work: () => T): T {
    this.run('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.run('COMMIT');
      return result;
    } catch (error) {
      // SQLite may have taken it back itself (disk full).
      if (this.database.isTransaction) this.database.exec('ROLLBACK');
      throw sqliteFailure('change the SQLite store', this.path, error);
    }
  }

  /** Holds one state of the database for reading while the work runs; in WAL mode writers go on meanwhile. */
  async inSnapshot<T>(work: () => Promise<T>): Promise<T> {
    this.run('BEGIN');
    try {
      return await work();
    } finally {
      this.run('COMMIT');
    }
  }

  /**
   * `PRAGMA integrity_check`: every page, every row, every index. Works on this thread until it is done, about a second for
   * some hundred megabytes.
   */
  integrity(): IntegrityReport {
    const report: IntegrityReport = { problems: [], notes: [] };
    try {
      // Row by row: where the damage is such that the check itself cannot go on, it throws after what it found so far.
      const check = this.database.prepare(`PRAGMA integrity_check(${MAX_FINDINGS})`);
      for (const { integrity_check: finding } of check.iterate()) {
        if (finding === 'ok' || typeof finding !== 'string') continue;
        (isOfSearchIndex(finding) ? report.notes : report.problems).push(finding.trim());
      }
    } catch (error) {
      const code = sqliteCode(error);
      if (!(error instanceof Error) || (code !== SqliteCode.corrupt && code !== SqliteCode.notADatabase))
        throw sqliteFailure('check the SQLite store', this.path, error);
      report.problems.push(error.message);
    }
    return report;
  }

  /** The statements that made the tables, by name; SQLite's own tables are left out. */
  tables(): Map<string, string> {
    const rows = this.all(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    );
    return new Map(rows.map(({ name, sql }) => [String(name), typeof sql === 'string' ? sql : '']));
  }

  /** The columns of a table; empty where there is no such table. */
  columns(table: string): string[] {
    return this.all('SELECT name FROM pragma_table_info(?)', table).map(({ name }) => String(name));
  }

  /**
   * Counts the rows of every table. A virtual table is left out: its extension (sqlite-vec) is not loaded here, and what it
   * holds lies in ordinary tables beside it, which are counted.
   */
  counts(): TableCounts {
    const counts: TableCounts = {};
    for (const [name, sql] of this.tables()) if (!isVirtual(sql)) counts[name] = this.count(name);
    return counts;
  }

  /** Rows of a table, or of those for which a condition holds. */
  count(table: string, where = '1'): number {
    const [row] = this.all(`SELECT count(*) AS n FROM ${quoted(table)} WHERE ${where}`);
    return Number(row?.['n']);
  }

  /** Size of the database, with what lies in its write-ahead log only. */
  bytes(): number {
    const [row] = this.all('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size');
    return Number(row?.['bytes']);
  }

  /** Another number whenever another connection has changed the database. */
  dataVersion(): number {
    return Number(this.all('PRAGMA data_version')[0]?.['data_version']);
  }

  /**
   * SQLite's online backup into a new file, on another thread. Within {@link inSnapshot} the copy is exactly that state:
   * without it, each write of another process would make the backup begin again.
   *
   * @param onPages told how many pages are done, and of how many
   * @throws Failure when it breaks off
   */
  async copyTo(path: string, onPages: (done: number, of: number) => void = () => undefined): Promise<void> {
    try {
      await sqliteEngine().backup(this.database, path, {
        rate: STEP_PAGES,
        progress: ({ totalPages, remainingPages }) => onPages(totalPages - remainingPages, totalPages),
      });
    } catch (error) {
      throw sqliteFailure('copy the SQLite store', this.path, error);
    }
  }

  close(): void {
    this.database.close();
    this.afterwards();
  }

  private attempt<T>(operation: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteFailure(operation, this.path, error);
    }
  }
}

/** The path itself where it leads nowhere: opening it says so. */
function behindLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** A name as SQL takes it. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Whether the statement made a table that an extension serves. */
export function isVirtual(sql: string): boolean {
  return /^\s*CREATE\s+VIRTUAL\b/i.test(sql);
}

function isOfSearchIndex(finding: string): boolean {
  return /inverted index for FTS\d table/i.test(finding);
}
