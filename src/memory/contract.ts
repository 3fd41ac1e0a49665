/**
 * The facts of AutoMem's data contract that every room relies on. Source: AutoMem 0.16.1, `automem/config.py` and the
 * write paths of its API.
 */

/** The label of everything that counts as a memory. */
export const MEMORY_LABEL = 'Memory';

/** Property of `Memory` and of other nodes that relationships are known by outside the graph. */
export const ID_PROPERTY = 'id';

/** Types that AutoMem's own classifier and clients assign; any other string is accepted by its store path. */
export const CANONICAL_TYPES = [
  'Decision',
  'Pattern',
  'Preference',
  'Style',
  'Habit',
  'Insight',
  'Context',
] as const;

/** What AutoMem's classifier falls back to when it cannot tell. */
export const FALLBACK_TYPE = 'Memory';

/** Defaults that AutoMem gives a memory which was stored without a value. */
export const DEFAULT_IMPORTANCE = 0.5;
export const DEFAULT_CONFIDENCE = 0.5;

/**
 * Names of language types that ended up in `type` when older recovery scripts stored the value's Python or JavaScript
 * type in place of the memory's. None is a type that a service assigns.
 */
const LANGUAGE_TYPES = new Set([
  'str',
  'string',
  'int',
  'integer',
  'float',
  'double',
  'number',
  'bool',
  'boolean',
  'dict',
  'object',
  'list',
  'array',
  'tuple',
  'set',
  'null',
  'none',
  'nonetype',
  'nan',
  'undefined',
]);

/** True for a `type` that a memory can have: a non-empty string that is not the name of a language's type. */
export function isMemoryType(type: unknown): type is string {
  return typeof type === 'string' && type.trim() !== '' && !LANGUAGE_TYPES.has(type.trim().toLowerCase());
}

/**
 * Whether a memory is meant to have a vector: AutoMem skips excluded types and memories without content.
 *
 * @param excludedTypes RECALL_EXCLUDED_TYPES, by default `MetaPattern`.
 */
export function isVectorEligible(
  memory: { type?: unknown; content?: unknown },
  excludedTypes: ReadonlySet<string>,
): boolean {
  if (typeof memory.type === 'string' && excludedTypes.has(memory.type)) return false;
  return typeof memory.content === 'string' && memory.content.trim() !== '';
}
