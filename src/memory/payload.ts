import { DEFAULT_CONFIDENCE, DEFAULT_IMPORTANCE, FALLBACK_TYPE, isMemoryType } from './contract.js';
import { joinKey } from './ids.js';
import { parseJson, printPythonJson } from './json.js';
import { tagPrefixes } from './tags.js';
import { Double, double, isMap, numeric, type Value, type ValueMap } from './values.js';

/** A value that was damaged and brought back by a rule. */
export interface Salvage {
  field: string;
  /** What was done, in plain words. */
  rule: string;
}

export type DecodedPayload =
  { ok: true; properties: ValueMap; salvaged: Salvage[] } | { ok: false; reason: string };

const TIMES = ['timestamp', 'updated_at', 'last_accessed', 't_valid', 't_invalid'] as const;

/** Payload fields that have a rule of their own; any other is kept as it is. `id` and `memory_id` repeat the point's id. */
const KNOWN = new Set<string>([
  'content',
  'tags',
  'tag_prefixes',
  'importance',
  'type',
  'confidence',
  'metadata',
  'relevance_score',
  'archived',
  ...TIMES,
  'id',
  'memory_id',
]);

/**
 * The properties of the Memory node that a payload describes, without anything else to go by.
 *
 * `metadata` becomes JSON text, `tag_prefixes` is computed anew, `t_valid`, `updated_at` and `last_accessed` default to
 * the timestamp, and `processed` is false so that the service can be asked to enrich the memory again.
 * Source: the contract's rules for a rebuild from payloads.
 */
export function decodePayload(id: string, payload: Value | undefined): DecodedPayload {
  if (payload === null || payload === undefined) return { ok: false, reason: 'the point has no payload' };
  if (!isMap(payload)) return { ok: false, reason: `the payload is ${describe(payload)}, not an object` };
  const decoder = new Decoder(payload);
  const content = decoder.content();
  if (content === undefined) {
    return {
      ok: false,
      reason: `content is ${describe(payload['content'])}: there is nothing to rebuild the memory from`,
    };
  }
  const tags = decoder.tags();
  const properties: ValueMap = {
    id,
    content,
    tags,
    tag_prefixes: tagPrefixes(tags),
    type: decoder.type(),
    importance: decoder.numberOr('importance', DEFAULT_IMPORTANCE),
    confidence: decoder.numberOr('confidence', DEFAULT_CONFIDENCE),
    metadata: decoder.metadata(),
    processed: false,
  };
  decoder.times(properties);
  const relevance = decoder.number('relevance_score');
  if (relevance !== undefined) properties['relevance_score'] = relevance;
  const archived = decoder.archived();
  if (archived !== undefined) properties['archived'] = archived;
  decoder.repeatedIds(id);
  decoder.others(properties);
  return { ok: true, properties, salvaged: decoder.salvaged };
}

class Decoder {
  readonly salvaged: Salvage[] = [];

  constructor(private readonly payload: ValueMap) {}

  private note(field: string, rule: string): void {
    this.salvaged.push({ field, rule });
  }

  content(): string | undefined {
    const value = this.payload['content'];
    if (typeof value === 'string') return this.storable('content', value);
    if (numeric(value) === null && typeof value !== 'boolean') return undefined;
    this.note('content', `was ${describe(value)}: kept as text`);
    return printPythonJson(value as Value);
  }

  tags(): string[] {
    const value = this.payload['tags'];
    if (value === undefined || value === null) return [];
    if (typeof value === 'string') {
      this.note('tags', 'were one text: split into a list');
      return this.split(value);
    }
    if (!Array.isArray(value)) {
      this.note('tags', `were ${describe(value)}: left empty`);
      return [];
    }
    return this.texts(value);
  }

  private texts(list: Value[]): string[] {
    if (!list.every((tag) => typeof tag === 'string')) {
      this.note('tags', 'held values that are not texts: kept as texts, nulls left out');
    }
    return list
      .filter((tag) => tag !== null)
      .map((tag) => (typeof tag === 'string' ? this.storable('tags', tag) : printPythonJson(tag)));
  }

  /** One text in place of the list: JSON of a list, or tags between commas, which AutoMem takes in requests. */
  private split(text: string): string[] {
    const parsed = text.trim().startsWith('[') ? tryParse(text) : undefined;
    const parts = this.texts(Array.isArray(parsed) ? parsed : text.split(','));
    return parts.map((part) => part.trim()).filter((part) => part !== '');
  }

  type(): string {
    const value = this.payload['type'];
    const kept = isMemoryType(value) ? this.storable('type', value) : undefined;
    if (isMemoryType(kept)) return kept;
    this.note(
      'type',
      `was ${value === undefined ? 'missing' : printPythonJson(value)}: set to ${FALLBACK_TYPE}`,
    );
    return FALLBACK_TYPE;
  }

  /** A number that every memory has: AutoMem's default where the payload has none. */
  numberOr(field: string, fallback: number): Value {
    const kept = this.readNumber(field);
    if (kept !== undefined) return kept;
    const found = this.payload[field] ?? undefined;
    const what = found === undefined ? 'missing' : `was ${describe(found)}`;
    this.note(field, `${what}: set to AutoMem's default ${fallback}`);
    return double(fallback);
  }

  number(field: string): Value | undefined {
    const kept = this.readNumber(field);
    const found = this.payload[field] ?? undefined;
    if (kept === undefined && found !== undefined) this.note(field, `was ${describe(found)}: left out`);
    return kept;
  }

  private readNumber(field: string): Value | undefined {
    const value = this.payload[field];
    if (value !== undefined && numeric(value) !== null && isStorable(value)) return value;
    if (typeof value !== 'string' || value.trim() === '' || !Number.isFinite(Number(value))) return undefined;
    this.note(field, `was the text "${clip(value)}": read as a number`);
    return double(Number(value));
  }

  archived(): boolean | undefined {
    const value = this.payload['archived'];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'boolean') return value;
    const text = typeof value === 'string' ? value.trim().toLowerCase() : numeric(value)?.toString();
    if (text === 'true' || text === '1' || text === 'false' || text === '0') {
      this.note('archived', `was ${describe(value)}: read as a boolean`);
      return text === 'true' || text === '1';
    }
    this.note('archived', `was ${describe(value)}: left out`);
    return undefined;
  }

  metadata(): string {
    const value = this.payload['metadata'];
    if (value === undefined || value === null) return '{}';
    if (isMap(value)) return printPythonJson(value);
    if (typeof value === 'string') {
      const parsed = tryParse(value);
      if (isMap(parsed)) {
        this.note('metadata', 'was JSON text: read as an object');
        return printPythonJson(parsed);
      }
    }
    this.note('metadata', `was ${describe(value)}: kept under the key "value"`);
    return printPythonJson({ value });
  }

  times(properties: ValueMap): void {
    for (const field of TIMES) {
      const value = this.payload[field];
      if (value === undefined || value === null) continue;
      if (typeof value === 'string') properties[field] = this.storable(field, value);
      else this.note(field, `was ${describe(value)}: left out`);
    }
    const timestamp = properties['timestamp'] ?? this.timestampFromOthers(properties);
    if (timestamp === undefined) {
      this.note('timestamp', 'missing, and no other time is known: left out');
      return;
    }
    properties['timestamp'] = timestamp;
    for (const field of ['updated_at', 'last_accessed', 't_valid']) properties[field] ??= timestamp;
  }

  private timestampFromOthers(properties: ValueMap): Value | undefined {
    const created = this.payload['created_at'];
    const known =
      typeof created === 'string'
        ? this.storable('timestamp', created)
        : (properties['updated_at'] ?? properties['t_valid']);
    if (known !== undefined) this.note('timestamp', 'missing: taken from another time of the memory');
    return known;
  }

  /** Some services repeat the point's id in the payload. One that names another memory is not a property to keep. */
  repeatedIds(id: string): void {
    for (const field of ['id', 'memory_id']) {
      const value = this.payload[field] ?? undefined;
      if (value === undefined || (isId(value) && joinKey(value) === joinKey(id))) continue;
      this.note(field, `was ${describe(value)}, which is not the id of its point: left out`);
    }
  }

  /** Fields that AutoMem does not know: a graph property where the graph can hold it, else JSON text. */
  others(properties: ValueMap): void {
    for (const [field, value] of Object.entries(this.payload)) {
      if (KNOWN.has(field) || value === null) continue;
      if (field === '' || /[`\0]/.test(field) || !field.isWellFormed()) {
        this.note(field, 'its name cannot be a property: left out');
        continue;
      }
      // A plain assignment to __proto__ would set the prototype and lose the value.
      const kept = this.other(field, value);
      Object.defineProperty(properties, field, {
        value: kept,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
  }

  private other(field: string, value: Value): Value {
    if (typeof value === 'string') return this.storable(field, value);
    if (isStorable(value)) return value;
    this.note(field, 'the graph cannot hold its shape: kept as JSON text');
    return printPythonJson(value);
  }

  private storable(field: string, text: string): string {
    let kept = text;
    if (kept.includes('\0')) {
      this.note(field, 'held NUL characters, which the graph cannot hold: removed');
      kept = kept.replaceAll('\0', '');
    }
    if (!kept.isWellFormed()) {
      this.note(field, 'held half a surrogate pair, which is no text: replaced by U+FFFD');
      kept = kept.toWellFormed();
    }
    return kept;
  }
}

/**
 * Whether FalkorDB can hold a value as a property: scalars, and arrays of such without nulls or maps.
 * Texts with NUL and integers beyond 64 bits are refused.
 */
export function isStorable(value: Value): boolean {
  if (value === null || isMap(value)) return false;
  if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed();
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value;
  return Array.isArray(value) ? value.every(isStorable) : true;
}

function isId(value: Value): value is string | number | bigint {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';
}

function tryParse(text: string): Value | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

/** What a value is, for a sentence: "a list", "the text "str"", "missing". */
function describe(value: Value | undefined): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value === 'string') return `the text "${clip(value)}"`;
  if (Array.isArray(value)) return 'a list';
  if (isMap(value)) return 'an object';
  if (value instanceof Double || typeof value === 'number') return 'a number';
  return typeof value === 'boolean' ? 'a boolean' : 'an integer beyond 2^53';
}
