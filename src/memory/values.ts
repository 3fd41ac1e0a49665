/**
 * A property value as the stores keep it. JavaScript has one number type where FalkorDB and JSON texts have two, so:
 *
 * - an integer is a `number` that `Number.isSafeInteger` accepts, or a `bigint` beyond 2^53;
 * - a double is a `number` with a fractional part, or a {@link Double} when its value happens to be whole (1.0),
 *   infinite, NaN or negative zero.
 *
 * Source: FalkorDB keeps 1 and 1.0 apart, AutoMem's files too (Python `json`).
 */
export type Value = null | boolean | string | number | bigint | Double | Value[] | ValueMap;

export interface ValueMap {
  [key: string]: Value;
}

/** A double whose value alone would read as an integer in JavaScript: 1.0, -0.0, 1e22, Infinity, NaN. */
export class Double {
  constructor(readonly value: number) {}

  /** What `JSON.stringify` writes for records that people read: the number, or its name where JSON has none for it. */
  toJSON(): number | string {
    return Number.isFinite(this.value) ? this.value : String(this.value);
  }
}

/** Makes the right representation of a double: a bare number where that is unambiguous. */
export function double(value: number): number | Double {
  return Number.isInteger(value) || !Number.isFinite(value) ? new Double(value) : value;
}

/** Sets a property by any name: assigned plainly, `__proto__` would set the prototype, and the value would be lost. */
export function setOwn(map: ValueMap, name: string, value: Value): void {
  if (name === '__proto__')
    Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true });
  else map[name] = value;
}

/** Adds to the count of a name that may be any text, `constructor` and `__proto__` too. */
export function addCount(counts: Record<string, number>, name: string, by: number): void {
  setOwn(counts, name, (Object.hasOwn(counts, name) ? (counts[name] ?? 0) : 0) + by);
}

/** True for a JSON object, as opposed to arrays, doubles and scalars. */
export function isMap(value: Value | undefined): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Double);
}

/** The numeric value of an integer or double, or null for anything else. */
export function numeric(value: Value | undefined): number | null {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Double ? value.value : null;
}

/** A node as the graph and AutoMem's backup files hold it. */
export interface GraphNode {
  /** Internal id: unique within one graph or one backup file, reused by the server after deletes. */
  internalId: number;
  labels: string[];
  properties: ValueMap;
}

/** A relationship; its ends are internal ids of the same graph or file. */
export interface GraphRelationship {
  source: number;
  target: number;
  type: string;
  properties: ValueMap;
}

/** A point as Qdrant and AutoMem's backup files hold it. */
export interface VectorPoint {
  /** UUIDs as strings, integer ids as numbers (or bigint beyond 2^53). */
  id: string | number | bigint;
  payload: Value;
}
