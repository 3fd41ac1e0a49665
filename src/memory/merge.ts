import { SHARED_FIELDS, sameValue, sharedField, type SharedField } from './fingerprint.js';
import { decodePayload, type Salvage } from './payload.js';
import { isMap, type Value, type ValueMap } from './values.js';

export interface MergedMemory {
  properties: ValueMap;
  /** Shared fields in which the payload differed from the backup, in contract order; empty when it is unchanged. */
  changed: SharedField[];
  salvaged: Salvage[];
}

/**
 * A memory of which both a backup node and a payload survive. The payload is newer, so it decides over each field that
 * it provides; everything else, and every field that did not change, stays exactly as it stood in the graph.
 *
 * A field that is damaged in the payload comes from the backup, or from what can be read of it where the backup has
 * none, and is listed as salvaged. When the content changed,
 * `processed` is false: the enrichment of the old content no longer fits.
 */
export function mergeWithBackup(id: string, backup: ValueMap, payload: Value): MergedMemory {
  const fields = isMap(payload) ? payload : {};
  const decoded = decodePayload(id, payload);
  const properties: ValueMap = { ...backup };
  const changed: SharedField[] = [];
  const salvaged: Salvage[] = [];
  for (const field of SHARED_FIELDS) {
    const fromPayload = sharedField(fields, field);
    if (fromPayload === undefined) {
      // What the graph itself held in the same odd form is not damage: it comes back as it stood.
      const isOdd = (fields[field] ?? null) !== null && !sameValue(fields[field], backup[field]);
      if (!isOdd) continue;
      if ((backup[field] ?? null) !== null || !decoded.ok) {
        salvaged.push({ field, rule: 'damaged in the payload: taken from the backup' });
        continue;
      }
      salvaged.push(...decoded.salvaged.filter((salvage) => salvage.field === field));
      const readable = decoded.properties[field];
      if (readable === undefined) continue;
      changed.push(field);
      properties[field] = readable;
      continue;
    }
    if (sameValue(fromPayload, sharedField(backup, field))) continue;
    changed.push(field);
    if (decoded.ok) properties[field] = decoded.properties[field] as Value;
  }
  if (!decoded.ok) salvaged.push({ field: 'payload', rule: `${decoded.reason}: taken from the backup` });
  else if (changed.includes('tags')) properties['tag_prefixes'] = decoded.properties['tag_prefixes'] as Value;
  if (changed.includes('content')) properties['processed'] = false;
  keepLaterAccess(properties, fields);
  return { properties, changed, salvaged };
}

/** `last_accessed` moves in the graph alone, so either side may be ahead; ISO texts of one form compare as texts. */
function keepLaterAccess(properties: ValueMap, payload: ValueMap): void {
  const theirs = payload['last_accessed'];
  const ours = properties['last_accessed'];
  if (typeof theirs !== 'string') return;
  if (typeof ours !== 'string' || Date.parse(theirs) > Date.parse(ours)) properties['last_accessed'] = theirs;
}
