import { InvalidJson, parseJson, printPythonJson } from '../../memory/json.js';
import { isMap, numeric, type Value, type ValueMap } from '../../memory/values.js';
import { PLAIN_RELATIONSHIP, type AssociationRow, type GraphEdge } from '../../stores/sqlite/graph-table.js';

/** An association that cannot become an edge. */
export interface RefusedAssociation {
  /** Row and hash of the memory that stands for it; it is kept. */
  id: number;
  contentHash: string;
  code: 'metadata-malformed' | 'endpoint-missing' | 'endpoint-deleted';
  reason: string;
}

/** Relationships that hold in both directions, and are kept as two rows; the others have one. */
const BOTH_WAYS: ReadonlySet<string> = new Set([PLAIN_RELATIONSHIP, 'contradicts']);
const ONE_WAY: ReadonlySet<string> = new Set(['causes', 'fixes', 'supports', 'follows']);

/** What the metadata of an association tells of the edge itself; all else goes into the edge's own metadata. */
const OF_THE_EDGE: ReadonlySet<string> = new Set([
  ...['source_memory_hashes', 'source_hash', 'target_hash', 'similarity_score', 'similarity'],
  ...['connection_type', 'connection_types', 'relationship_type'],
]);

/** A cosine that was rounded may lie this far beyond 1. */
const ROUNDING = 1e-6;

/** Whether a relationship is kept as two rows, one for each direction. */
export function holdsBothWays(relationshipType: string): boolean {
  return !ONE_WAY.has(relationshipType);
}

class Malformed extends Error {}

/**
 * The edge that the memory of an association tells of. Two spellings of its metadata are read: the one that the service's
 * consolidation writes (source_memory_hashes, similarity_score, connection_type) and that of the graph table itself.
 *
 * @param now for an association that does not tell when it was discovered, in seconds since 1970
 */
export function edgeOf(row: AssociationRow, now: number): GraphEdge | RefusedAssociation {
  try {
    const metadata = metadataOf(row);
    const [source, target] = endsOf(metadata);
    return {
      source,
      target,
      similarity: similarityOf(metadata),
      connectionTypes: printPythonJson(connectionTypesOf(metadata)),
      metadata: printPythonJson(restOf(metadata)),
      createdAt: row.createdAt ?? discoveredAt(metadata) ?? now,
      relationshipType: relationshipTypeOf(metadata),
    };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return refused(row, 'metadata-malformed', error.message);
  }
}

/** What is said of an association that is left out. */
export function refused(
  { id, contentHash }: AssociationRow,
  code: RefusedAssociation['code'],
  reason: string,
): RefusedAssociation {
  return { id, contentHash, code, reason };
}

function metadataOf({ metadata }: AssociationRow): ValueMap {
  if (metadata === null || metadata === '') throw new Malformed('it has no metadata');
  let value: Value;
  try {
    value = parseJson(metadata);
  } catch (error) {
    if (error instanceof InvalidJson) throw new Malformed(`its metadata is not JSON: ${error.message}`);
    throw error;
  }
  if (!isMap(value)) throw new Malformed('its metadata is not a JSON object');
  return value;
}

function endsOf(metadata: ValueMap): [source: string, target: string] {
  const listed = metadata['source_memory_hashes'];
  const ends = Array.isArray(listed) ? listed : [metadata['source_hash'], metadata['target_hash']];
  const hashes = ends.filter((end): end is string => typeof end === 'string' && end !== '');
  const [source, target] = hashes;
  if (source === undefined || target === undefined || ends.length !== 2)
    throw new Malformed(`its metadata names ${hashes.length} memories where an association joins 2`);
  if (source === target) throw new Malformed('it joins a memory with itself');
  return [source, target];
}

function similarityOf(metadata: ValueMap): number {
  const told = metadata['similarity_score'] ?? metadata['similarity'];
  const similarity = numeric(told);
  if (similarity === null) throw new Malformed('its metadata gives no similarity');
  // Written so that NaN is refused too.
  if (!(similarity >= -ROUNDING && similarity <= 1 + ROUNDING))
    throw new Malformed(`its similarity of ${similarity} is not between 0 and 1`);
  return Math.min(1, Math.max(0, similarity));
}

function connectionTypesOf(metadata: ValueMap): string[] {
  const told = metadata['connection_types'] ?? metadata['connection_type'] ?? 'unknown';
  const types = typeof told === 'string' ? told.split(',') : told;
  if (!Array.isArray(types) || !types.every((type) => typeof type === 'string'))
    throw new Malformed('its connection types are not texts');
  return types.map((type) => type.trim()).filter((type) => type !== '');
}

/** A type that the service would not take is no reason to lose the edge. */
function relationshipTypeOf(metadata: ValueMap): string {
  const told = metadata['relationship_type'];
  return typeof told === 'string' && (BOTH_WAYS.has(told) || ONE_WAY.has(told)) ? told : PLAIN_RELATIONSHIP;
}

function discoveredAt(metadata: ValueMap): number | null {
  const told = metadata['discovery_date'];
  if (typeof told !== 'string') return null;
  const time = Date.parse(told);
  return Number.isNaN(time) ? null : time / 1000;
}

function restOf(metadata: ValueMap): ValueMap {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !OF_THE_EDGE.has(key)));
}
