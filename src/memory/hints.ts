import { printPythonJson } from './json.js';
import { isStorable } from './payload.js';
import { isMap, numeric, type Value, type ValueMap } from './values.js';

/** A relationship that a payload hints at; its ends are memory ids as the payload writes them. */
export interface HintedRelationship {
  type: string;
  source: string;
  target: string;
  properties: ValueMap;
}

/** A pattern that a payload says the memory exemplifies. AutoMem keeps at most one Pattern node per memory type. */
export interface HintedPattern {
  type: string;
  keyTerms: string[];
  similarMemories: number;
}

export interface Hints {
  relationships: HintedRelationship[];
  patterns: HintedPattern[];
  /** When the enrichment that left the hints ran, ISO-8601, or null. */
  enrichedAt: string | null;
  /** PRECEDED_BY relationships that enrichment made; their targets are not recorded anywhere. */
  temporalLinks: number;
  /** Entries that name no usable type or target. */
  unusable: string[];
}

/**
 * What the metadata of a memory says about its relationships.
 *
 * `enrichment.semantic_neighbors` gives SIMILAR_TO in both directions, `enrichment.patterns_detected` gives
 * EXEMPLIFIES to a Pattern, and `relationships`, where a user put it, gives whatever it declares. Source: the data
 * contract, "What a graph rebuild from payloads loses".
 *
 * @param metadata the payload's `metadata` object; anything else hints at nothing.
 */
export function readHints(id: string, metadata: Value | undefined): Hints {
  const hints: Hints = { relationships: [], patterns: [], enrichedAt: null, temporalLinks: 0, unusable: [] };
  if (!isMap(metadata)) return hints;
  const enrichment = metadata['enrichment'];
  if (isMap(enrichment)) {
    if (typeof enrichment['last_run'] === 'string') hints.enrichedAt = enrichment['last_run'];
    hints.temporalLinks = Math.max(0, numeric(enrichment['temporal_links']) ?? 0);
    addNeighbours(id, enrichment['semantic_neighbors'], hints);
    addPatterns(enrichment['patterns_detected'], hints);
  }
  addDeclared(id, metadata['relationships'], hints);
  return hints;
}

function addNeighbours(id: string, neighbours: Value | undefined, hints: Hints): void {
  if (!Array.isArray(neighbours)) return;
  for (const neighbour of neighbours) {
    if (!isMap(neighbour) || typeof neighbour['id'] !== 'string' || neighbour['id'] === '') {
      hints.unusable.push(`metadata.enrichment.semantic_neighbors: ${clip(neighbour)} names no memory`);
      continue;
    }
    const properties: ValueMap = {};
    if (numeric(neighbour['score']) !== null) properties['score'] = neighbour['score'] as Value;
    if (hints.enrichedAt !== null) properties['updated_at'] = hints.enrichedAt;
    const other = neighbour['id'];
    hints.relationships.push(
      { type: 'SIMILAR_TO', source: id, target: other, properties },
      { type: 'SIMILAR_TO', source: other, target: id, properties },
    );
  }
}

function addPatterns(patterns: Value | undefined, hints: Hints): void {
  if (!Array.isArray(patterns)) return;
  for (const pattern of patterns) {
    if (!isMap(pattern) || typeof pattern['type'] !== 'string' || pattern['type'] === '') {
      hints.unusable.push(`metadata.enrichment.patterns_detected: ${clip(pattern)} names no type`);
      continue;
    }
    const terms = pattern['key_terms'];
    hints.patterns.push({
      type: pattern['type'],
      keyTerms: Array.isArray(terms) ? terms.filter((term) => typeof term === 'string') : [],
      similarMemories: numeric(pattern['similar_memories']) ?? 0,
    });
  }
}

const TARGET_KEYS = ['target', 'target_id', 'to', 'memory2_id', 'memory_id', 'id'] as const;
const TYPE_KEYS = ['type', 'relation', 'relationship'] as const;

/** Accepts `{type, target, …}`, a list of such, and a map of type → target, targets, or `{target, …}`. */
function addDeclared(id: string, declared: Value | undefined, hints: Hints): void {
  if (Array.isArray(declared)) {
    for (const entry of declared) addDeclaredEntry(id, null, entry, hints);
  } else if (
    isMap(declared) &&
    textKey(TYPE_KEYS, declared) !== undefined &&
    textKey(TARGET_KEYS, declared) !== undefined
  ) {
    addDeclaredEntry(id, null, declared, hints);
  } else if (isMap(declared)) {
    for (const [type, targets] of Object.entries(declared)) {
      for (const target of Array.isArray(targets) ? targets : [targets])
        addDeclaredEntry(id, type, target, hints);
    }
  }
}

function addDeclaredEntry(id: string, outerType: string | null, entry: Value, hints: Hints): void {
  const fields: ValueMap = isMap(entry) ? { ...entry } : typeof entry === 'string' ? { target: entry } : {};
  const typeKey = textKey(TYPE_KEYS, fields);
  const targetKey = textKey(TARGET_KEYS, fields);
  const type = outerType ?? (typeKey === undefined ? null : (fields[typeKey] as string));
  if (type === null || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(type) || targetKey === undefined) {
    hints.unusable.push(`metadata.relationships: ${clip(entry)} names no usable type or target`);
    return;
  }
  const target = fields[targetKey] as string;
  const properties = Object.fromEntries(
    Object.entries(fields)
      .filter(
        ([key, value]) => key !== targetKey && (key !== typeKey || outerType !== null) && value !== null,
      )
      .map(([key, value]) => [key, isStorable(value) ? value : printPythonJson(value)]),
  );
  hints.relationships.push({ type, source: id, target, properties });
}

function textKey<K extends string>(keys: readonly K[], fields: ValueMap): K | undefined {
  return keys.find((key) => typeof fields[key] === 'string');
}

function clip(value: Value): string {
  return printPythonJson(value).slice(0, 80);
}
