import { parseJson } from '../../memory/json.js';
import { numeric, isMap, type Value } from '../../memory/values.js';
import { idPeculiarity } from '../../memory/ids.js';
import { Byte, type ByteReader } from './json-bytes.js';
import { MAX_PAYLOAD_DEPTH, PayloadText } from './payload-text.js';
import { readVector, type VectorForm, type VectorText } from './vector-text.js';
import type { BadRecord } from './graph-file.js';

const MAX_INTEGER_ID = 2n ** 64n - 1n;

/** A point whose vector and payload are passed on as they were written. */
export interface FilePoint {
  /** UUIDs as strings, integer ids as numbers (or bigint beyond 2^53). */
  id: string | number | bigint;
  vector: VectorText;
  payload: PayloadText;
}

/** A point that cannot be restored. */
export interface BadPoint extends BadRecord {
  /** The id, where that much is known. */
  id: FilePoint['id'] | null;
}

export interface PointRules {
  /** Components that every vector must have; without it, any number will do. */
  vectorSize?: number | undefined;
  /** Whether a point without an id takes `memory_id` of its payload for it, as AutoMem's public documentation has it. */
  idInPayload?: boolean | undefined;
  /** What is wanted of the components, which are nine tenths of a file. Default: their text. */
  vectorForm?: VectorForm | undefined;
}

/**
 * Reads one point of a backup.
 *
 * @throws InvalidJson when it is not JSON, IncompleteJson when the bytes end inside it; the reader then stands anywhere
 */
export function readPoint(reader: ByteReader, rules: PointRules): FilePoint | BadPoint {
  reader.peek();
  const start = reader.pos;
  const found = readMembers(reader, rules);
  if (found.payload !== null && found.id === null && rules.idInPayload === true) {
    const payload = found.payload.value();
    found.id = isMap(payload) ? (payload['memory_id'] ?? null) : null;
  }
  const { vector, payload } = found;
  const id = asId(found.id);
  const reason = problemOf(found, id, rules);
  if (reason === null && vector !== null && payload !== null && id !== null) return { id, vector, payload };
  return { reason: reason ?? 'it is not a point', id, record: again(reader, start) };
}

interface Members {
  isObject: boolean;
  id: Value;
  vector: VectorText | null;
  /** Why `vector` is null. */
  noVector: string;
  payload: PayloadText | null;
  /** Nesting of the payload. */
  depth: number;
}

function readMembers(reader: ByteReader, rules: PointRules): Members {
  const members: Members = {
    isObject: false,
    id: null,
    vector: null,
    noVector: 'it has no vector',
    payload: new PayloadText('null'),
    depth: 0,
  };
  if (reader.peek() !== Byte.OpenBrace) {
    parseJson(reader.value());
    return members;
  }
  members.isObject = true;
  reader.pos++;
  for (let isFirst = true; ; isFirst = false) {
    const byte = reader.peek();
    if (byte === Byte.CloseBrace) break;
    if (!isFirst) reader.expect(Byte.Comma);
    readMember(reader, members, rules);
  }
  reader.pos++;
  return members;
}

function readMember(reader: ByteReader, members: Members, { vectorForm }: PointRules): void {
  switch (reader.key()) {
    case 'id':
      members.id = parseJson(reader.value());
      return;
    case 'vector':
      members.vector = readVector(reader, vectorForm);
      if (members.vector === null) members.noVector = badVector(parseJson(reader.value()));
      return;
    case 'payload': {
      const isFitting = reader.peek() === Byte.OpenBrace || reader.peek() === 'n'.charCodeAt(0);
      const payload = new PayloadText(reader.value());
      members.payload = isFitting ? payload : null;
      members.depth = reader.depth;
      return;
    }
    default:
      // Version, shard key and score are not the point's own.
      parseJson(reader.value());
  }
}

function problemOf(found: Members, id: FilePoint['id'] | null, rules: PointRules): string | null {
  const { vector, payload } = found;
  if (!found.isObject) return 'a point is not an object';
  if (id === null) return badId(found.id);
  if (vector === null) return found.noVector;
  const { vectorSize = vector.size } = rules;
  if (vector.size === 0) return 'its vector is empty';
  if (vector.size !== vectorSize) return `its vector has ${vector.size} components instead of ${vectorSize}`;
  if (payload === null) return 'its payload is not an object';
  if (found.depth > MAX_PAYLOAD_DEPTH)
    return `its payload is nested ${found.depth} levels deep, and Qdrant takes no more than ${MAX_PAYLOAD_DEPTH}`;
  return null;
}

function asId(value: Value): FilePoint['id'] | null {
  if (typeof value === 'string') return idPeculiarity(value) === null ? value : null;
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 ? value : null;
  return typeof value === 'bigint' && value >= 0n && value <= MAX_INTEGER_ID ? value : null;
}

function badId(value: Value): string {
  if (value === null) return 'a point has no id';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : 'that it has';
  return `the id ${text} is neither a UUID nor an integer of 64 bits`;
}

/** Why a vector is not a list of finite numbers. */
function badVector(value: Value): string {
  if (value === null) return 'it has no vector';
  if (isMap(value)) return 'its vector has a name or is sparse, and AutoMem writes neither';
  if (!Array.isArray(value)) return 'its vector is not a list';
  const at = value.findIndex((component) => {
    const number = numeric(component);
    return number === null || !Number.isFinite(Math.fround(number));
  });
  return `component ${at + 1} of its vector is ${nameOf(value[at])}`;
}

function nameOf(value: Value | undefined): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return 'a text';
  const number = numeric(value);
  if (number === null) return 'no number';
  return Number.isFinite(number) ? 'too large for 32 bits' : String(number);
}

/** The whole record as values, for the quarantine: read a second time, because bad ones are rare. */
function again(reader: ByteReader, start: number): Value {
  reader.pos = start;
  return parseJson(reader.value());
}
