import { isMemoryType } from './contract.js';
import {
  differingBits,
  fieldsOf,
  fingerprintPayload,
  SHARED_FIELDS,
  sharedField,
  type SharedField,
} from './fingerprint.js';
import { decodePayload, type Salvage } from './payload.js';
import { isMap, numeric, type Value, type ValueMap } from './values.js';

/** What a payload knows better than its node. */
export interface GraphDamage {
  /** Properties that the node gets. */
  set: ValueMap;
  /** The fields behind them, each with what is done about it. */
  salvaged: Salvage[];
}

/** Fields that AutoMem gives every memory: a node without one of them has lost it. */
const ALWAYS = new Set<SharedField>([
  'content',
  'tags',
  'importance',
  'timestamp',
  'type',
  'confidence',
  'metadata',
  'updated_at',
]);

/** Fields that are no part of what a memory says: its time of change, and what the nightly decay sets anew. */
const PASSING = new Set<SharedField>(['updated_at', 'relevance_score']);

/** Whether a field is no part of what a memory says. */
export function isPassing(field: SharedField): boolean {
  return PASSING.has(field);
}

/** Fields that hold a number. */
const NUMBERS = new Set<SharedField>(['importance', 'confidence', 'relevance_score']);

/** A list or an object that was printed into a field of text, as old recovery scripts did. */
const PRINTED = /^\s*(?:\{.*\}|\[.*\]|\(.*\))\s*$/s;

/**
 * The exceptions to "the graph decides over payload fields": fields that are damaged in the graph, or gone from it where
 * every memory has them, and that the payload has whole. Copied the other way, the damage would reach both stores.
 *
 * @param properties of the node; only the shared fields are looked at
 * @returns null where the graph may decide over every field
 */
export function damageInGraph(properties: ValueMap, payload: Value): GraphDamage | null {
  const fields = isMap(payload) ? payload : {};
  // A time of change says when the fields beside it were changed: where those are others, it is not theirs.
  const isOther = contested(properties, fields).length > 0;
  const damaged = SHARED_FIELDS.filter(
    (field) => isDamaged(properties, field) && isWhole(fields, field) && !(field === 'updated_at' && isOther),
  );
  if (damaged.length === 0) return null;
  // The id is no shared field: which one it is does not matter here.
  const decoded = decodePayload('', payload);
  if (!decoded.ok) return null;
  const damage: GraphDamage = { set: {}, salvaged: [] };
  for (const field of damaged) {
    const value = decoded.properties[field];
    if (value === undefined) continue;
    damage.set[field] = value;
    const isGone = (properties[field] ?? null) === null;
    const what = isGone ? 'missing' : 'damaged';
    damage.salvaged.push({ field, rule: `${what} in the graph: taken from the payload` });
  }
  if (damage.set['tags'] !== undefined)
    damage.set['tag_prefixes'] = decoded.properties['tag_prefixes'] as Value;
  return damage;
}

/** A node as it is once its damaged fields came from the payload; the node itself where there are none. */
export function withoutDamage(properties: ValueMap, payload: Value): ValueMap {
  const damage = damageInGraph(properties, payload);
  return damage === null ? properties : { ...properties, ...damage.set };
}

/** What a memory says in both stores in a form that can be used, and not the same. */
export function contested(properties: ValueMap, payload: ValueMap): SharedField[] {
  const differing = fieldsOf(differingBits(payload, properties, fingerprintPayload(payload).provided));
  return differing.filter(
    (field) => !isPassing(field) && isWhole(properties, field) && isWhole(payload, field),
  );
}

/** Milliseconds since 1970 of an ISO-8601 time; NaN for anything else. */
export function timeOf(value: Value | undefined): number {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : NaN;
}

function isDamaged(properties: ValueMap, field: SharedField): boolean {
  return (properties[field] ?? null) === null ? ALWAYS.has(field) : !isWhole(properties, field);
}

/** Whether a shared field is there in a form that can stand in the other store. */
export function isWhole(fields: ValueMap, field: SharedField): boolean {
  const value = sharedField(fields, field);
  // AutoMem stores no memory without content, and an object or a list is no type.
  if (field === 'content') return typeof value === 'string' && value.trim() !== '';
  if (field === 'type') return isMemoryType(value) && !PRINTED.test(value);
  if (field === 'timestamp' || field === 'updated_at') return !Number.isNaN(timeOf(value));
  // A payload cannot hold NaN or an infinite number: it would get a text in its place.
  if (NUMBERS.has(field)) return value !== undefined && Number.isFinite(numeric(value));
  return value !== undefined;
}
