import { isVirtual, type SqliteFile } from './sqlite-file.js';
import { storeFailure } from './sqlite-failure.js';

/** The tables of MCP Memory Service's SQLite store, as far as Lifeboat reads them. */
export const MEMORIES = 'memories';
export const GRAPH = 'memory_graph';
const EMBEDDINGS = 'memory_embeddings';
const SETTINGS = 'metadata';

/** Without these columns a table `memories` is another program's. */
const NEEDED = ['content_hash', 'content', 'tags', 'metadata', 'created_at'];

/** How many tables of a foreign database are named. */
const NAMED = 5;

/** What a store holds. */
export interface MemoryStoreFacts {
  /** Memories that are not deleted; associations are among them. */
  memories: number;
  /** Deleted memories that the service keeps as marks, so that a synchronization does not bring them back. */
  deleted: number;
  /** Memories that stand for an association between two others. */
  associations: number;
  /** Rows of the graph table; null where the store is older than that table. */
  graphRows: number | null;
  /** Null where the store has no vectors. */
  embeddings: { dimensions: number | null; metric: string | null; rows: number | null } | null;
}

/** The condition for a memory that is not deleted; stores before version 8.64 delete the row. */
export function aliveCondition(file: SqliteFile): string {
  return file.columns(MEMORIES).includes('deleted_at') ? 'deleted_at IS NULL' : '1';
}

/** The condition for the memories that the service's consolidation writes for each association it discovers. */
export const IS_ASSOCIATION = ['association', 'discovered']
  .map((tag) => `instr(',' || replace(tags, ' ', '') || ',', ',${tag},') > 0`)
  .join(' AND ');

/**
 * Makes sure that a database is a store of MCP Memory Service.
 *
 * @param subject how the database is called in the failure
 * @throws Failure `sqlite-other-schema` where it is not, naming what it holds instead
 */
export function requireMemoryStore(file: SqliteFile, subject = file.path): void {
  const tables = [...file.tables().keys()];
  const columns = new Set(file.columns(MEMORIES));
  const missing = NEEDED.filter((column) => !columns.has(column));
  if (missing.length === 0) return;
  const found = tables.length === 0 ? 'no tables' : `the tables ${tables.slice(0, NAMED).join(', ')}`;
  const more = tables.length > NAMED ? ` and ${tables.length - NAMED} more` : '';
  const reason = tables.includes(MEMORIES)
    ? `its table memories lacks ${missing.join(', ')}`
    : `it holds ${found}${more}, and no table memories`;
  throw storeFailure(
    'read the SQLite memory store',
    subject,
    `it is a SQLite database, but not a store of MCP Memory Service: ${reason}`,
    'Name the file that MCP_MEMORY_SQLITE_PATH of the memory service names, by default sqlite_vec.db.',
    'sqlite-other-schema',
  );
}

/** Counts what a store holds. The table of vectors itself is never asked: its extension is not loaded here. */
export function describeMemoryStore(file: SqliteFile): MemoryStoreFacts {
  const alive = aliveCondition(file);
  const tables = file.tables();
  const memories = file.count(MEMORIES, alive);
  return {
    memories,
    deleted: file.count(MEMORIES) - memories,
    associations: file.count(MEMORIES, `${alive} AND ${IS_ASSOCIATION}`),
    graphRows: tables.has(GRAPH) ? file.count(GRAPH) : null,
    embeddings: describeEmbeddings(file, tables),
  };
}

function describeEmbeddings(
  file: SqliteFile,
  tables: ReadonlyMap<string, string>,
): MemoryStoreFacts['embeddings'] {
  const sql = tables.get(EMBEDDINGS);
  if (sql === undefined) return null;
  const size = /\b(?:float|int8|bit)\s*\[\s*(\d+)\s*\]/i.exec(sql)?.[1];
  const rows = `${EMBEDDINGS}_rowids`;
  return {
    dimensions: size === undefined ? null : Number(size),
    metric: setting(file, tables, 'distance_metric') ?? /distance_metric\s*=\s*(\w+)/i.exec(sql)?.[1] ?? null,
    rows: tables.has(rows) ? file.count(rows) : isVirtual(sql) ? null : file.count(EMBEDDINGS),
  };
}

function setting(file: SqliteFile, tables: ReadonlyMap<string, string>, key: string): string | null {
  if (!tables.has(SETTINGS)) return null;
  const value = file.all(`SELECT value FROM ${SETTINGS} WHERE key = ?`, key)[0]?.['value'];
  return typeof value === 'string' ? value : null;
}
