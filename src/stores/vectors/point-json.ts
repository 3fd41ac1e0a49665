import { payloadValue } from '../../memory/encode-payload.js';
import { printPythonJson } from '../../memory/json.js';
import type { ValueMap } from '../../memory/values.js';

/** A vector: its numbers, or JSON text that is passed on untouched (of any kind: dense, sparse, several in one). */
export type OneVector = readonly number[] | string;

/** The unnamed vector of a point, or its vectors by name. */
export type PointVector = OneVector | Readonly<Record<string, OneVector>>;

/** A point to be written. */
export interface WritePoint {
  /** Joined key: a UUID; integer ids as bigint. */
  id: string | bigint;
  vector: PointVector;
  /** A payload, or JSON text that is passed on untouched. */
  payload: ValueMap | string;
}

/** An id as JSON. Integer ids are number literals, whatever their size. */
export function idJson(id: string | number | bigint): string {
  return typeof id === 'string' ? JSON.stringify(id) : id.toString();
}

export function idList(ids: readonly (string | number | bigint)[]): string {
  return `[${ids.map(idJson).join(',')}]`;
}

/** A point as JSON, in parts that stand one behind the other. */
export function pointJson(point: WritePoint): readonly string[] {
  const payload = typeof point.payload === 'string' ? point.payload : payloadJson(point.payload);
  return [`{"id":${idJson(point.id)},"vector":`, vectorJson(point.vector), ',"payload":', payload, '}'];
}

/** A payload as JSON in which 1.0 stays 1.0, in the form in which Qdrant can hold it. */
export function payloadJson(payload: ValueMap): string {
  return printPythonJson(payloadValue(payload));
}

export function vectorJson(vector: PointVector): string {
  if (typeof vector === 'string') return vector;
  if (isNumbers(vector)) return JSON.stringify(vector);
  const named = Object.entries(vector).map(([name, one]) => `${JSON.stringify(name)}:${vectorJson(one)}`);
  return `{${named.join(',')}}`;
}

function isNumbers(vector: PointVector): vector is readonly number[] {
  return Array.isArray(vector);
}

/**
 * The name of a payload field as the path that deletes it. A path that is no plain word stands in quotes, or its dots
 * and brackets would lead into the value; a quote in it cannot be written.
 */
export function fieldPath(field: string): string | null {
  if (/^[\w-]+$/.test(field)) return field;
  return field.includes('"') ? null : `"${field}"`;
}
