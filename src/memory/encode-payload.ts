import { DEFAULT_CONFIDENCE, DEFAULT_IMPORTANCE, FALLBACK_TYPE } from './contract.js';
import { sameValue } from './fingerprint.js';
import { withoutDamage } from './graph-damage.js';
import { parseJson, printPythonJson } from './json.js';
import { tagPrefixes } from './tags.js';
import { Double, double, isMap, type Value, type ValueMap } from './values.js';

/** Every field of a payload that AutoMem knows, in the order in which its embedding worker writes them. */
const PAYLOAD_FIELDS = [
  'content',
  'tags',
  'tag_prefixes',
  'importance',
  'timestamp',
  'type',
  'confidence',
  'updated_at',
  'last_accessed',
  'metadata',
  'relevance_score',
  'archived',
  't_valid',
  't_invalid',
] as const;

type PayloadField = (typeof PAYLOAD_FIELDS)[number];

/**
 * How deep values may be nested below a payload: Qdrant's JSON reader follows 128 levels, and the request around the
 * payload takes up to five of them.
 */
const MAX_PAYLOAD_DEPTH = 120;

/**
 * The payload that AutoMem writes for a memory node: its nine fields, `tag_prefixes` computed anew, and
 * `relevance_score`, `archived`, `t_valid` and `t_invalid` where the node has them.
 *
 * What the node lacks gets the default of AutoMem's embedding worker; times, for which the worker takes the clock, come
 * from the node's other times. `metadata` is the object that its JSON text describes. A text that describes none stays
 * the text it is: AutoMem's readers pass over it, and so the payload says what the graph says. Properties that only the
 * graph holds are left out, numbers keep their kind.
 */
export function encodePayload(properties: ValueMap): ValueMap {
  const payload: ValueMap = {};
  for (const field of PAYLOAD_FIELDS) {
    const value = fieldOf(properties, field);
    if (value !== null) payload[field] = payloadValue(value);
  }
  return payload;
}

function fieldOf(properties: ValueMap, field: PayloadField): Value {
  const value = properties[field] ?? null;
  switch (field) {
    case 'content':
      return value ?? '';
    case 'tags':
      return value ?? [];
    case 'tag_prefixes':
      return prefixesOf(properties['tags'] ?? null) ?? value ?? [];
    case 'importance':
      return value ?? double(DEFAULT_IMPORTANCE);
    case 'confidence':
      return value ?? double(DEFAULT_CONFIDENCE);
    case 'type':
      return value ?? FALLBACK_TYPE;
    case 'timestamp':
      return value ?? properties['updated_at'] ?? properties['t_valid'] ?? null;
    case 'updated_at':
    case 'last_accessed':
      return value ?? fieldOf(properties, 'timestamp');
    case 'metadata':
      return metadataOf(value);
    case 'relevance_score':
    case 'archived':
    case 't_valid':
    case 't_invalid':
      return value;
  }
}

/** Prefixes left over from older tags would hide the memory from AutoMem's filters: they follow from the tags alone. */
function prefixesOf(tags: Value): string[] | null {
  const isList = Array.isArray(tags) && tags.every((tag) => typeof tag === 'string');
  return isList ? tagPrefixes(tags) : null;
}

function metadataOf(value: Value): Value {
  if (value === null) return {};
  if (typeof value !== 'string') return value;
  if (value.trim() === '') return {};
  try {
    const parsed = parseJson(value);
    return isMap(parsed) ? parsed : value;
  } catch {
    return value;
  }
}

/**
 * A value in the form in which Qdrant can hold it, the same object where it already is. JSON has no word for infinity
 * and for what is no number: they become the texts that Python prints. Half surrogate pairs become U+FFFD, and what is
 * nested too deep for Qdrant becomes JSON text.
 *
 * @param depth levels of nesting above the value
 */
export function payloadValue<T extends Value>(value: T, depth = 1): T | Value {
  if (isHeldByQdrant(value, depth)) return value;
  if (typeof value === 'string') return value.toWellFormed();
  if (value instanceof Double) return printPythonJson(value);
  if (depth > MAX_PAYLOAD_DEPTH) return printPythonJson(value);
  if (Array.isArray(value)) return value.map((item) => payloadValue(item, depth + 1));
  // Not assigned key by key: that would set the prototype for __proto__, and lose the value.
  return Object.fromEntries(
    Object.entries(value as ValueMap).map(([key, field]) => [
      key.toWellFormed(),
      payloadValue(field, depth + 1),
    ]),
  );
}

function isHeldByQdrant(value: Value, depth: number): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (value === null || typeof value !== 'object') return true;
  if (value instanceof Double) return Number.isFinite(value.value);
  if (depth > MAX_PAYLOAD_DEPTH) return false;
  if (Array.isArray(value)) return value.every((item) => isHeldByQdrant(item, depth + 1));
  for (const key in value) {
    if (!key.isWellFormed() || !isHeldByQdrant(value[key] as Value, depth + 1)) return false;
  }
  return true;
}

/** What makes a payload say what the graph says: fields to set, and fields to delete. */
export interface PayloadPatch {
  set: ValueMap;
  delete: string[];
}

/**
 * What must change in a payload so that it says what its node says, or null where nothing must. The graph decides over
 * every field of AutoMem's contract, but for those that are damaged in it and whole in the payload (see graph-damage.ts);
 * other fields of the payload are left as they are.
 *
 * AutoMem itself moves `last_accessed` in the graph alone, and leaves out a `t_valid` that is the timestamp: they are set
 * along with other fields, but are no reason to touch a point.
 *
 * @param payload as the point has it; anything but an object counts as empty
 */
export function payloadPatch(payload: Value, properties: ValueMap): PayloadPatch | null {
  const current = isMap(payload) ? payload : {};
  const wanted = encodePayload(withoutDamage(properties, current));
  const patch: PayloadPatch = { set: {}, delete: [] };
  let isNeeded = false;
  for (const field of PAYLOAD_FIELDS) {
    const value = wanted[field];
    const found = current[field] ?? null;
    if (value === undefined) {
      if (found === null) continue;
      patch.delete.push(field);
      isNeeded = true;
    } else if (!sameValue(value, found)) {
      patch.set[field] = value;
      isNeeded ||= !isLeftBehind(field, value, found, wanted);
    }
  }
  return isNeeded ? patch : null;
}

function isLeftBehind(field: PayloadField, value: Value, found: Value, wanted: ValueMap): boolean {
  if (field === 'last_accessed') return typeof found === 'string';
  return field === 't_valid' && found === null && value === wanted['timestamp'];
}
