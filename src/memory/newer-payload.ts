import { differingBits, fieldsOf, fingerprintPayload } from './fingerprint.js';
import { contested, isWhole, timeOf, type GraphDamage } from './graph-damage.js';
import { decodePayload } from './payload.js';
import { isMap, type Value, type ValueMap } from './values.js';

/** Clocks and roundings apart by less than this say nothing. */
const CLEARLY_LATER_MS = 1_000;

/**
 * The other exception to "the graph decides over payload fields": the payload was updated later than the node, as after
 * the volume of the graph was set back to an older day. Copied the other way, the newer text would be gone from both
 * stores.
 *
 * @param properties of the node; only the shared fields are looked at
 * @returns what the node gets: the shared fields that differ and that the payload provides in a usable form; null where
 *   the payload is not newer, or nothing but its time differs
 */
export function newerInPayload(properties: ValueMap, payload: Value): GraphDamage | null {
  if (!isMap(payload) || whoDecides(properties, payload) !== 'payload') return null;
  const bits = differingBits(payload, properties, fingerprintPayload(payload).provided);
  const fields = fieldsOf(bits).filter((field) => isWhole(payload, field));
  if (!fields.some((field) => field !== 'updated_at')) return null;
  // The id is no shared field: which one it is does not matter here.
  const decoded = decodePayload('', payload);
  if (!decoded.ok) return null;
  const newer: GraphDamage = { set: {}, salvaged: [] };
  for (const field of fields) {
    const value = decoded.properties[field];
    if (value === undefined) continue;
    newer.set[field] = value;
    newer.salvaged.push({
      field,
      rule: 'the payload was updated later than the graph: taken from the payload',
    });
  }
  if (newer.set['tags'] !== undefined)
    newer.set['tag_prefixes'] = decoded.properties['tag_prefixes'] as Value;
  // The enrichment of the old content no longer fits.
  if (newer.set['content'] !== undefined) newer.set['processed'] = false;
  return newer;
}

/** Whether neither side may be written over: no time says which of them is the newer one. */
export function isUndecided(properties: ValueMap, payload: Value): boolean {
  return isMap(payload) && whoDecides(properties, payload) === 'unknown';
}

/** Whether what the graph says may be written over the payload. */
export function graphDecides(properties: ValueMap, payload: Value): boolean {
  return newerInPayload(properties, payload) === null && !isUndecided(properties, payload);
}

/**
 * A node that lost the time of its last change was changed when it was made, as far as anybody knows. Where the payload was
 * updated in that very moment, or that time is gone too, nothing tells which of the two came later.
 */
function whoDecides(properties: ValueMap, payload: ValueMap): 'graph' | 'payload' | 'unknown' {
  const theirs = timeOf(payload['updated_at']);
  if (Number.isNaN(theirs)) return 'graph';
  const ours = timeOf(properties['updated_at']);
  if (!Number.isNaN(ours)) return theirs - ours > CLEARLY_LATER_MS ? 'payload' : 'graph';
  if (contested(properties, payload).length === 0) return 'graph';
  const apart = theirs - timeOf(properties['timestamp']);
  if (apart > CLEARLY_LATER_MS) return 'payload';
  return apart < -CLEARLY_LATER_MS ? 'graph' : 'unknown';
}
