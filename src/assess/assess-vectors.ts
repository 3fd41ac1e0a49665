import { Failure } from '../failure.js';
import type { VectorAddress } from '../stores/vectors/vector-failure.js';
import { VectorStore } from '../stores/vectors/vector-store.js';
import { isMap } from '../memory/values.js';
import { unreachable } from './assess-graph.js';
import type { Finding, VectorsAssessment } from './types.js';

export interface VectorsReport {
  assessment: VectorsAssessment;
  findings: Finding[];
}

const SAMPLE_POINTS = 200;

const NOTHING: Omit<VectorsAssessment, 'state' | 'name' | 'address'> = {
  points: 0,
  size: null,
  distance: null,
  payloadIndexes: {},
  version: null,
  status: null,
  payloadsMissing: false,
  excludedPoints: 0,
  latencyMs: null,
  readRate: null,
};

/** What survived in Qdrant. Reads only. A server that cannot be reached is a finding, not an error. */
export async function assessVectors(
  address: VectorAddress,
  name: string,
  excludedTypes: readonly string[],
): Promise<VectorsReport> {
  const base = { name, address: address.url };
  const store = new VectorStore(address);
  try {
    return await look(store, base, excludedTypes);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const cause = unreachable(error);
    return {
      assessment: { ...NOTHING, ...base, state: 'unreachable', unreachable: cause },
      findings: [
        {
          severity: 'problem',
          code: `vectors-${cause.cause}`,
          message: `Qdrant at ${address.url} cannot be used: ${cause.message}.`,
          action: cause.hint,
        },
      ],
    };
  } finally {
    store.close();
  }
}

async function look(
  store: VectorStore,
  base: { name: string; address: string },
  excludedTypes: readonly string[],
): Promise<VectorsReport> {
  const started = performance.now();
  const version = await store.version();
  const latencyMs = performance.now() - started;
  const { name } = base;
  const collection = await store.collection(name);
  const known = { ...NOTHING, ...base, version, latencyMs };
  if (collection === null) {
    return {
      assessment: { ...known, state: 'lost' },
      findings: [
        {
          severity: 'problem',
          code: 'collection-lost',
          message: `There is no collection "${name}" in Qdrant.`,
        },
      ],
    };
  }
  const { status, size, distance, payloadIndexes } = collection;
  const points = await store.count(name);
  const settings = { ...known, status, size, distance, payloadIndexes, points };
  const findings = settingsFindings(collection.status, size, payloadIndexes, name);
  if (points === 0) {
    findings.push({
      severity: 'problem',
      code: 'collection-empty',
      message: `The collection "${name}" is there but holds no points.`,
    });
    return { assessment: { ...settings, state: 'empty' }, findings };
  }
  const excludedPoints = await countExcluded(store, name, excludedTypes);
  const sample = await samplePayloads(store, name);
  if (sample.payloadsMissing) {
    findings.push({
      severity: 'problem',
      code: 'payloads-missing',
      message: `The points of "${name}" carry vectors but no payloads: no memory can be rebuilt from them.`,
    });
  }
  const degraded = sample.payloadsMissing || status === 'red';
  return {
    assessment: { ...settings, ...sample, excludedPoints, state: degraded ? 'degraded' : 'intact' },
    findings,
  };
}

async function countExcluded(
  store: VectorStore,
  name: string,
  excludedTypes: readonly string[],
): Promise<number> {
  if (excludedTypes.length === 0) return 0;
  return store.count(name, { must: [{ key: 'type', match: { any: excludedTypes } }] });
}

/** Looks at the first page: whether payloads are there at all, and how fast points can be read. */
async function samplePayloads(
  store: VectorStore,
  name: string,
): Promise<{ payloadsMissing: boolean; readRate: number | null }> {
  const started = performance.now();
  const points = await store.sample(name, SAMPLE_POINTS);
  const seconds = (performance.now() - started) / 1000;
  const bare = points.filter(({ payload }) => !isMap(payload) || Object.keys(payload).length === 0);
  return {
    payloadsMissing: points.length > 0 && bare.length === points.length,
    readRate: points.length === 0 ? null : Math.round(points.length / seconds),
  };
}

function settingsFindings(
  status: string,
  size: number | null,
  indexes: Record<string, string>,
  name: string,
): Finding[] {
  const findings: Finding[] = [];
  if (status === 'red') {
    findings.push({
      severity: 'problem',
      code: 'collection-red',
      message: `Qdrant says that the collection "${name}" is in error (status red).`,
      action: 'Look at the log of Qdrant: a segment may be damaged or the disk full.',
    });
  }
  if (size === null) {
    findings.push({
      severity: 'warning',
      code: 'named-vectors',
      message: `The collection "${name}" has named vectors only; AutoMem uses one without a name.`,
      action: 'Check QDRANT_COLLECTION.',
    });
  }
  const missing = ['tags', 'tag_prefixes'].filter((field) => indexes[field] === undefined);
  if (missing.length > 0) {
    findings.push({
      severity: 'info',
      code: 'payload-index-missing',
      message: `The collection "${name}" has no payload index on ${missing.join(' and ')}: tag filters are slow.`,
      action: 'AutoMem makes them at its next start, unless QDRANT_ENSURE_PAYLOAD_INDEXES is off.',
    });
  }
  return findings;
}
