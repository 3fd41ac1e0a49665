import { hash } from 'node:crypto';
import { joinKey } from '../memory/ids.js';
import { Double, type GraphNode, type Value, type ValueMap } from '../memory/values.js';
import { identity, MEMORY_KEY } from './identity.js';

/** Set by every recall; changes by itself say nothing about the memory. */
export const ACCESS_PROPERTY = 'last_accessed';

/** What tells whether a node changed, and whether it still is the same one: whole numbers of 48 bits, never 0. */
export interface NodeHashes {
  /** Labels and properties, but when it was last read. */
  body: number;
  /** When it was last read. */
  access: number;
  /** What makes it this node and no other; see {@link nodeKey}. */
  key: number;
}

export function nodeHashes({ labels, properties }: Pick<GraphNode, 'labels' | 'properties'>): NodeHashes {
  const { [ACCESS_PROPERTY]: access = null, ...body } = properties;
  return {
    body: hashOf(`${labels.toSorted().join(':')}\0${canonical(body)}`),
    access: hashOf(canonical(access)),
    key: keyHash({ labels, properties }),
  };
}

/** The hash of what makes a node this one; of its labels where nothing does. */
export function keyHash(node: Pick<GraphNode, 'labels' | 'properties'>): number {
  return hashOf(nodeKey(node) ?? node.labels.toSorted().join(':'));
}

export function relationshipHash(type: string, properties: ValueMap): number {
  return hashOf(`${type}\0${canonical(properties)}`);
}

/** What makes two nodes of different graphs the same one, ids in the form that both stores share; null where nothing does. */
export function nodeKey(node: Pick<GraphNode, 'labels' | 'properties'>): string | null {
  const key = identity(node);
  return key?.startsWith(MEMORY_KEY) === true ? `${MEMORY_KEY}${joinKey(key.slice(MEMORY_KEY.length))}` : key;
}

function hashOf(text: string): number {
  return hash('sha1', text, 'buffer').readUIntBE(0, 6) || 1;
}

/** One text for each value: key order free, 1 apart from 1.0, null the same as absent. */
function canonical(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Double) return `d${Object.is(value.value, -0) ? '-0' : value.value}`;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? `i${value}` : `d${value}`;
  if (typeof value === 'bigint') return `i${value}`;
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const keys = Object.keys(value).filter((key) => value[key] !== null);
  return `{${keys
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] as Value)}`)
    .join(',')}}`;
}
