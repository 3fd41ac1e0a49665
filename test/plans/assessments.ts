import type { Assessment, StoreState } from '../../src/assess/types.js';
import type { BackupPair } from '../../src/backup/types.js';

export const STATES: readonly StoreState[] = ['intact', 'degraded', 'empty', 'lost', 'unreachable'];

export const PAIR: BackupPair = {
  timestamp: '20261120_030000',
  takenAt: '2026-11-20T03:00:00.000Z',
  graph: { path: 'falkordb_20261120_030000.json.gz', bytes: 1_000_000 },
  vectors: { path: 'qdrant_20261120_030000.json.gz', bytes: 9_000_000 },
  graphVerdict: { status: 'sound' },
  vectorsVerdict: { status: 'sound' },
  counts: { memories: 1000, nodes: 1200, relationships: 6000 },
};

export interface Situation {
  graph?: StoreState;
  vectors?: StoreState;
  /** Whether there is a backup to use. */
  backup?: boolean;
  points?: number;
  nodes?: number;
  payloadsMissing?: boolean;
  readOnlyReplica?: boolean;
  newest?: BackupPair;
}

/** What an assessment of such a situation says. */
export function assessmentOf(situation: Situation = {}): Assessment {
  const { graph = 'lost', vectors = 'intact', backup = true, points = 1000, nodes = 0 } = situation;
  const newest = backup ? (situation.newest ?? PAIR) : null;
  return {
    takenAt: '2026-11-21T12:00:00.000Z',
    seconds: 1,
    findings: [],
    drift: null,
    graph: {
      state: graph,
      name: 'memories',
      address: 'localhost:6379',
      memories: nodes,
      nodes,
      relationships: 0,
      byLabel: {},
      byType: {},
      byRelationship: {},
      version: null,
      resultCap: null,
      queryTimeoutMs: null,
      persistence: {
        snapshots: '',
        aof: true,
        lastSave: null,
        readOnlyReplica: situation.readOnlyReplica ?? false,
      },
      leftovers: [],
      latencyMs: 1,
      readRate: null,
    },
    vectors: {
      state: vectors,
      name: 'memories',
      address: 'http://localhost:6333',
      points,
      size: 64,
      distance: 'Cosine',
      payloadIndexes: {},
      version: null,
      status: 'green',
      payloadsMissing: situation.payloadsMissing ?? false,
      excludedPoints: 0,
      latencyMs: 1,
      readRate: null,
    },
    backups: {
      state: backup ? 'intact' : 'empty',
      source: './backups',
      pairs: newest === null ? [] : [newest],
      newest,
      newestVectors: newest?.vectors == null ? null : newest,
    },
  };
}
