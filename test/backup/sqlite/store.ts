import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

import { sqliteEngine } from '../../../src/stores/sqlite/engine.js';

/** Rounded day on which the first memory of a test store was made, in seconds since 1970. */
const FIRST_DAY = 1_700_000_000;

/** The hash that names a memory of a test store. */
export function hashOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

/** What a test says of an association between two memories of its store. */
export interface TestAssociation {
  name: string;
  metadata: string | null;
  tags?: string;
  deleted?: boolean;
}

export interface TestStore {
  memories?: number;
  associations?: readonly TestAssociation[];
  journal?: 'wal' | 'delete';
  /** How far the service's own migrations had come: 8.51 brought the graph table, 9.0 its types. */
  graph?: 'none' | 'untyped' | 'typed';
}

/** Writes a store with the tables of MCP Memory Service, and leaves it closed. */
export function writeStore(path: string, store: TestStore = {}): void {
  const { memories = 50, associations = [], journal = 'wal', graph = 'typed' } = store;
  const file = new (sqliteEngine().DatabaseSync)(path);
  file.exec(`PRAGMA journal_mode = ${journal}`);
  file.exec(`
    CREATE TABLE metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO metadata VALUES ('distance_metric', 'cosine'), ('fts5_enabled', 'true');
    CREATE TABLE memories (id INTEGER PRIMARY KEY AUTOINCREMENT, content_hash TEXT UNIQUE NOT NULL, content TEXT NOT NULL,
      tags TEXT, memory_type TEXT, metadata TEXT, created_at REAL, updated_at REAL, created_at_iso TEXT, updated_at_iso TEXT,
      deleted_at REAL DEFAULT NULL);
    CREATE INDEX idx_created_at ON memories (created_at);
    CREATE VIRTUAL TABLE memory_content_fts USING fts5 (content, content='memories', content_rowid='id', tokenize='trigram');
    CREATE TRIGGER memories_fts_ai AFTER INSERT ON memories
      BEGIN INSERT INTO memory_content_fts (rowid, content) VALUES (new.id, new.content); END;`);
  if (graph !== 'none') writeGraphTable(file, graph === 'typed');
  makeVectorTable(file);
  file.exec('BEGIN');
  addVectorRows(file, memories);
  for (let at = 0; at < memories; at++) addMemory(file, `m${at}`);
  for (const association of associations) addAssociation(file, association);
  file.exec('COMMIT');
  file.close();
}

function writeGraphTable(file: DatabaseSync, typed: boolean): void {
  file.exec(`
    CREATE TABLE memory_graph (source_hash TEXT NOT NULL, target_hash TEXT NOT NULL, similarity REAL NOT NULL,
      connection_types TEXT NOT NULL, metadata TEXT, created_at REAL NOT NULL, PRIMARY KEY (source_hash, target_hash));
    CREATE INDEX idx_graph_source ON memory_graph (source_hash);
    CREATE INDEX idx_graph_target ON memory_graph (target_hash);`);
  if (typed) file.exec("ALTER TABLE memory_graph ADD COLUMN relationship_type TEXT DEFAULT 'related'");
}

/** As sqlite-vec leaves it: a virtual table that cannot be asked without the extension, and the ordinary ones behind it. */
function makeVectorTable(file: DatabaseSync): void {
  // Not on Node.js 22, where nothing needs it.
  if ('enableDefensive' in file) file.enableDefensive(false);
  file.exec(`
    CREATE TABLE memory_embeddings_rowids (rowid INTEGER PRIMARY KEY AUTOINCREMENT, id, chunk_id INTEGER, chunk_offset INTEGER);
    CREATE TABLE memory_embeddings_vector_chunks00 (rowid PRIMARY KEY, vectors BLOB NOT NULL);
    PRAGMA writable_schema = ON;
    INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', 'memory_embeddings', 'memory_embeddings', 0,
      'CREATE VIRTUAL TABLE memory_embeddings USING vec0(content_embedding FLOAT[384] distance_metric=cosine)');
    PRAGMA writable_schema = RESET;`);
}

function addVectorRows(file: DatabaseSync, rows: number): void {
  const add = file.prepare('INSERT INTO memory_embeddings_rowids (rowid) VALUES (?)');
  for (let at = 1; at <= rows; at++) add.run(at);
}

/** Adds a memory whose hash is {@link hashOf} its name. */
export function addMemory(file: DatabaseSync, name: string): void {
  file
    .prepare(
      'INSERT INTO memories (content_hash, content, tags, metadata, created_at) VALUES (?, ?, ?, ?, ?)',
    )
    .run(hashOf(name), `What was learned of ${name}: ${'é ✓ words '.repeat(20)}`, 'test', '{}', FIRST_DAY);
}

function addAssociation(file: DatabaseSync, { name, metadata, tags, deleted }: TestAssociation): void {
  file
    .prepare(
      'INSERT INTO memories (content_hash, content, tags, metadata, created_at, deleted_at) VALUES (?, ?, ?, ?, ?, ?)',
    )
    .run(
      `assoc_${name}`,
      `Association ${name}`,
      tags ?? 'association,discovered,semantic_similarity,shared_themes',
      metadata,
      FIRST_DAY + 60,
      deleted === true ? FIRST_DAY + 120 : null,
    );
}

/** The metadata that the service writes for an association. */
export function associationMetadata(a: string, b: string, more: object = {}): string {
  return JSON.stringify({
    source_memory_hashes: [hashOf(a), hashOf(b)],
    similarity_score: 0.53,
    connection_type: 'semantic_similarity, shared_themes',
    discovery_method: 'creative_association',
    discovery_date: '2025-11-02T10:00:00',
    shared_concepts: ['café'],
    confidence_score: 0.7,
    ...more,
  });
}

/** Opens a store that must be there. The test closes it. */
export function openStore(path: string): DatabaseSync {
  if (!existsSync(path)) throw new Error(`there is no ${path}`);
  return new (sqliteEngine().DatabaseSync)(path);
}

/** All rows of a query, as plain objects. */
export function rowsOf(path: string, sql: string): Record<string, unknown>[] {
  const file = openStore(path);
  try {
    return file
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  } finally {
    file.close();
  }
}
