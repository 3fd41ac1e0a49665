import type { StatementSync } from 'node:sqlite';

import { aliveCondition, GRAPH, IS_ASSOCIATION, MEMORIES } from './memory-store.js';
import type { SqliteFile } from './sqlite-file.js';

/** A memory that stands for an association. */
export interface AssociationRow {
  id: number;
  contentHash: string;
  /** JSON, if it is whole. */
  metadata: string | null;
  /** Seconds since 1970. */
  createdAt: number | null;
}

/** A row of the graph table. */
export interface GraphEdge {
  source: string;
  target: string;
  /** 0 to 1. */
  similarity: number;
  /** JSON array of strings. */
  connectionTypes: string;
  /** JSON object. */
  metadata: string;
  /** Seconds since 1970. */
  createdAt: number;
  relationshipType: string;
}

export interface StoredEdge {
  source: string;
  relationshipType: string;
}

/** What every edge is that names no other type, also in stores older than the column. */
export const PLAIN_RELATIONSHIP = 'related';

/** The memories that stand for associations and are not deleted, oldest first. */
export function readAssociations(file: SqliteFile): AssociationRow[] {
  const rows = file.all(
    `SELECT id, content_hash, metadata, created_at FROM ${MEMORIES}
     WHERE ${aliveCondition(file)} AND ${IS_ASSOCIATION} ORDER BY created_at, id`,
  );
  return rows.map(({ id, content_hash: hash, metadata, created_at: created }) => ({
    id: Number(id),
    contentHash: String(hash),
    metadata: typeof metadata === 'string' ? metadata : null,
    createdAt: typeof created === 'number' && Number.isFinite(created) ? created : null,
  }));
}

type MemoryState = 'there' | 'deleted' | 'missing';

/** The graph table of a store, and the memories that its edges join. */
export class GraphTable {
  private readonly lookUp: StatementSync;
  /** A memory is in many associations. */
  private readonly states = new Map<string, MemoryState>();
  private readonly between: StatementSync | null;
  private readonly insertion: StatementSync | null;
  /** Whether the store's version tells types of relationships apart. */
  readonly hasTypes: boolean;

  constructor(file: SqliteFile) {
    const columns = file.columns(GRAPH);
    this.hasTypes = columns.includes('relationship_type');
    this.lookUp = file.prepare(
      `SELECT NOT (${aliveCondition(file)}) AS deleted FROM ${MEMORIES} WHERE content_hash = ?`,
    );
    const type = this.hasTypes ? 'relationship_type' : `'${PLAIN_RELATIONSHIP}'`;
    const isThere = columns.length > 0;
    this.between = isThere
      ? file.prepare(
          `SELECT source_hash AS source, ${type} AS type FROM ${GRAPH}
           WHERE (source_hash = ? AND target_hash = ?) OR (source_hash = ? AND target_hash = ?)`,
        )
      : null;
    this.insertion = isThere ? file.prepare(insertSql(this.hasTypes)) : null;
  }

  /** Makes the table as the first version of the service that had it; later versions add to it when they start. */
  static create(file: SqliteFile): void {
    file.run(`
      CREATE TABLE IF NOT EXISTS ${GRAPH} (
        source_hash TEXT NOT NULL, target_hash TEXT NOT NULL, similarity REAL NOT NULL,
        connection_types TEXT NOT NULL, metadata TEXT, created_at REAL NOT NULL,
        PRIMARY KEY (source_hash, target_hash));
      CREATE INDEX IF NOT EXISTS idx_graph_source ON ${GRAPH} (source_hash);
      CREATE INDEX IF NOT EXISTS idx_graph_target ON ${GRAPH} (target_hash);`);
  }

  /** Whether a memory is there to be joined. */
  stateOf(contentHash: string): MemoryState {
    const known = this.states.get(contentHash);
    if (known !== undefined) return known;
    const row = this.lookUp.get(contentHash);
    const state = row === undefined ? 'missing' : row['deleted'] === 1 ? 'deleted' : 'there';
    this.states.set(contentHash, state);
    return state;
  }

  /** The edges between two memories, in either direction. */
  edgesBetween(a: string, b: string): StoredEdge[] {
    const rows = this.between?.all(a, b, b, a) ?? [];
    return rows.map(({ source, type }) => ({
      source: String(source),
      relationshipType: typeof type === 'string' ? type : PLAIN_RELATIONSHIP,
    }));
  }

  /** @returns false where there is one already; it is left as it is */
  insert(edge: GraphEdge): boolean {
    const { source, target, similarity, connectionTypes, metadata, createdAt } = edge;
    const type = this.hasTypes ? [edge.relationshipType] : [];
    const values = [source, target, similarity, connectionTypes, metadata, createdAt, ...type];
    return Number(this.insertion?.run(...values).changes ?? 0) > 0;
  }
}

function insertSql(hasTypes: boolean): string {
  const columns = ['source_hash', 'target_hash', 'similarity', 'connection_types', 'metadata', 'created_at'];
  if (hasTypes) columns.push('relationship_type');
  return `INSERT OR IGNORE INTO ${GRAPH} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}
