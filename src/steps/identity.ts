import { ID_PROPERTY, MEMORY_LABEL } from '../memory/contract.js';
import type { Value } from '../memory/values.js';

/** What the identities of patterns and of memories begin with. */
export const PATTERN = 'Pattern\0';
export const MEMORY_KEY = `${MEMORY_LABEL}\0`;

/** AutoMem merges patterns by their type. */
export function patternIdentity(type: string): string {
  return `${PATTERN}${type}`;
}

/** What makes two nodes of different graphs the same node; null where nothing does. */
export function identity(node: {
  labels: readonly string[];
  properties: { readonly [name: string]: Value };
}): string | null {
  const { labels, properties } = node;
  if (labels[0] === 'Pattern' && typeof properties['type'] === 'string')
    return patternIdentity(properties['type']);
  const id = properties[ID_PROPERTY];
  if (typeof id !== 'string') return null;
  return labels.includes(MEMORY_LABEL) ? `${MEMORY_KEY}${id}` : `${labels.join(':')}\0${id}`;
}
