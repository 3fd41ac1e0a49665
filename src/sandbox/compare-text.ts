import { hash } from 'node:crypto';

/** A cell of a compact reply: its type, and a value whose shape the type says. All numbers are texts. */
export type Cell = [type: string, value: unknown];

/** [name, text of the value], in order of the names. */
export type TextProperties = [string, string][];

/**
 * What a node is matched by: its labels, in order, and its `id`; without an `id`, all that it holds.
 * @param text the node as `digestOf` is given it
 */
export function nodeKey(labels: string[], properties: TextProperties, text: string): string {
  const id = properties.find(([name]) => name === 'id')?.[1];
  return `:${labels.join(':')} ${id ?? `without id, ${digestOf(text)}`}`;
}

/** 128 bits: no two of a billion texts share them by chance. */
export function digestOf(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}

/**
 * A value as a text that no value of another type has.
 * Source of the type numbers: FalkorDB's ValueType in its compact result format.
 */
export function valueText(type: string, value: unknown): string {
  switch (Number(type)) {
    case 1:
      return 'null';
    case 2:
      return JSON.stringify(value);
    case 3:
      return String(value);
    case 4:
      return String(value);
    case 5:
      return doubleText(String(value));
    case 6:
      return `[${(value as Cell[]).map(([itemType, item]) => valueText(itemType, item)).join(', ')}]`;
    default:
      return `type ${type} ${JSON.stringify(value)}`;
  }
}

/** The server prints whole doubles without a point. */
function doubleText(text: string): string {
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}
