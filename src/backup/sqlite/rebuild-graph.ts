import {
  GraphTable,
  readAssociations,
  type AssociationRow,
  type GraphEdge,
} from '../../stores/sqlite/graph-table.js';
import { GRAPH, MEMORIES } from '../../stores/sqlite/memory-store.js';
import { openMemoryStore } from '../../stores/sqlite/open-memory-store.js';
import { storeFailure } from '../../stores/sqlite/sqlite-failure.js';
import type { SqliteFile } from '../../stores/sqlite/sqlite-file.js';
import { edgeOf, holdsBothWays, refused, type RefusedAssociation } from './associations.js';

export interface GraphRebuildOptions {
  /** Absolute path of the store. */
  path: string;
  /** Writes nothing, and tells what would be. */
  dryRun: boolean;
  /** For associations that do not tell when they were discovered. */
  now: Date;
}

export interface GraphRebuild {
  /** Memories that stand for associations; all of them are kept. */
  associations: number;
  /** Those whose edge this run wrote, or would write. */
  rebuilt: number;
  /** Those whose edge was there before. */
  alreadyThere: number;
  /** Those of a pair of memories that an earlier association joined already. */
  repeated: number;
  /** Those that could not become an edge, each with its reason. */
  refused: RefusedAssociation[];
  /** Rows of the graph table. */
  rowsBefore: number;
  rowsAfter: number;
  /** The store had no graph table. */
  tableCreated: boolean;
  dryRun: boolean;
  seconds: number;
}

/**
 * Writes an edge into the graph table for each memory that stands for an association, in both directions, as the service keeps
 * it; one that is there is left as it is, so doing it twice changes nothing. One transaction: all of it, or nothing.
 *
 * @throws Failure when the store cannot be opened, or another process is writing to it
 */
export async function rebuildGraph({ path, dryRun, now }: GraphRebuildOptions): Promise<GraphRebuild> {
  const store = await openMemoryStore(path, dryRun ? 'read' : 'write');
  try {
    const started = performance.now();
    const rebuild = new Rebuild(store, dryRun, now.getTime() / 1000);
    const result = dryRun ? rebuild.run() : store.inTransaction(() => rebuild.run());
    return { ...result, seconds: (performance.now() - started) / 1000 };
  } finally {
    store.close();
  }
}

/** How an association fared. */
type Outcome = 'rebuilt' | 'alreadyThere' | 'repeated';

class Rebuild {
  private readonly written = new Set<string>();
  private readonly tally: Record<Outcome, number> = { rebuilt: 0, alreadyThere: 0, repeated: 0 };
  private rows = 0;
  private wasEmpty = false;

  constructor(
    private readonly store: SqliteFile,
    private readonly dryRun: boolean,
    private readonly now: number,
  ) {}

  run(): Omit<GraphRebuild, 'seconds'> {
    const { store, dryRun } = this;
    const tableCreated = !store.tables().has(GRAPH);
    if (tableCreated && !dryRun) GraphTable.create(store);
    const rowsBefore = tableCreated ? 0 : store.count(GRAPH);
    this.wasEmpty = rowsBefore === 0;
    const memories = store.count(MEMORIES);
    const table = new GraphTable(store);
    const associations = readAssociations(store);
    const refusals: RefusedAssociation[] = [];
    for (const row of associations) {
      const outcome = this.add(table, row);
      if (typeof outcome === 'string') this.tally[outcome]++;
      else refusals.push(outcome);
    }
    if (!dryRun) this.reconcile(rowsBefore, memories);
    return {
      ...{ associations: associations.length, ...this.tally, refused: refusals },
      ...{ rowsBefore, rowsAfter: rowsBefore + this.rows, tableCreated, dryRun },
    };
  }

  private add(table: GraphTable, row: AssociationRow): Outcome | RefusedAssociation {
    const edge = edgeOf(row, this.now);
    if ('code' in edge) return edge;
    return missingEnd(table, row, edge) ?? this.write(table, edge);
  }

  private write(table: GraphTable, edge: GraphEdge): Outcome {
    const pair = [edge.source, edge.target].sort().join('\n');
    if (this.written.has(pair)) return 'repeated';
    const there = this.wasEmpty ? [] : table.edgesBetween(edge.source, edge.target);
    // One that runs one way only is what the service made of the association: the other direction would be wrong.
    if (there.some(({ relationshipType }) => !holdsBothWays(relationshipType))) return 'alreadyThere';
    const type = table.hasTypes ? edge.relationshipType : '';
    const wanted = holdsBothWays(type) ? [edge, turned(edge)] : [edge];
    const missing = wanted.filter(({ source }) => there.every((stored) => stored.source !== source));
    if (missing.length === 0) return 'alreadyThere';
    for (const one of missing) if (this.dryRun || table.insert(one)) this.rows++;
    this.written.add(pair);
    return 'rebuilt';
  }

  /** What was counted as written must be there, before it is made final. */
  private reconcile(rowsBefore: number, memories: number): void {
    const { store, rows } = this;
    if (store.count(GRAPH) === rowsBefore + rows && store.count(MEMORIES) === memories) return;
    throw storeFailure(
      'rebuild the graph table',
      store.path,
      'the rows that were written are not there; all of it was taken back',
      'Check the file with: sqlite3 FILE "PRAGMA integrity_check".',
      'sqlite-graph-mismatch',
    );
  }
}

function turned(edge: GraphEdge): GraphEdge {
  return { ...edge, source: edge.target, target: edge.source };
}

function missingEnd(
  table: GraphTable,
  row: AssociationRow,
  { source, target }: GraphEdge,
): RefusedAssociation | null {
  for (const hash of [source, target]) {
    const state = table.stateOf(hash);
    if (state === 'missing') return refused(row, 'endpoint-missing', `there is no memory ${hash}`);
    if (state === 'deleted') return refused(row, 'endpoint-deleted', `the memory ${hash} was deleted`);
  }
  return null;
}
