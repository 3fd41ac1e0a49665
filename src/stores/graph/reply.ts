import {
  double,
  setOwn,
  type GraphNode,
  type GraphRelationship,
  type Value,
  type ValueMap,
} from '../../memory/values.js';

/** Names behind the ids in compact replies, in id order. */
export interface GraphNames {
  labels: string[];
  types: string[];
  keys: string[];
}

/** The reply mentions a name that was made after {@link GraphNames} was read. */
export class UnknownName extends Error {
  override readonly name = 'UnknownName';
}

/** An integer of a reply: text where the connection keeps all digits. */
type Whole = number | string;

/** A value as a compact reply holds it: a type tag and the value. Source: FalkorDB's result set format. */
export type CompactCell = [tag: Whole, value: unknown];

const enum Tag {
  Null = 1,
  String = 2,
  Integer = 3,
  Boolean = 4,
  Double = 5,
  Array = 6,
  Edge = 7,
  Node = 8,
  Map = 10,
}

export type CompactReply = [header: unknown[], rows: CompactCell[][], statistics: string[]];

/** Decodes a scalar, array or map. Doubles come as text of 15 digits at most: that is all the server gives. */
export function decodeValue([tag, value]: CompactCell): Value {
  switch (Number(tag)) {
    case Tag.Null:
      return null;
    case Tag.String:
      return value as string;
    case Tag.Integer:
      return integer(value as Whole);
    case Tag.Boolean:
      return value === 'true';
    case Tag.Double:
      return double(parseDouble(value as string));
    case Tag.Array:
      return (value as CompactCell[]).map(decodeValue);
    case Tag.Map:
      return decodeMap(value as unknown[]);
    default:
      // Points, vectors of floats and dates: AutoMem writes none. A map is what no graph takes, so that whoever copies
      // such a property finds it refused, and says so, instead of writing something else in its place.
      return { unknownType: Number(tag), text: JSON.stringify(value) };
  }
}

function integer(value: Whole): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
}

function parseDouble(text: string): number {
  if (text.endsWith('nan')) return NaN;
  if (text.endsWith('inf')) return text.startsWith('-') ? -Infinity : Infinity;
  return Number(text);
}

function decodeMap(flat: unknown[]): ValueMap {
  const map: ValueMap = {};
  for (let i = 0; i < flat.length; i += 2)
    setOwn(map, flat[i] as string, decodeValue(flat[i + 1] as CompactCell));
  return map;
}

type CompactProperty = [key: Whole, tag: Whole, value: unknown];

export function decodeNode(cell: CompactCell, names: GraphNames): GraphNode {
  const [internalId, labels, properties] = cell[1] as [Whole, Whole[], CompactProperty[]];
  return {
    internalId: Number(internalId),
    labels: labels.map((label) => known(names.labels, label)),
    properties: decodeProperties(properties, names),
  };
}

export function decodeRelationship(cell: CompactCell, names: GraphNames): GraphRelationship {
  const [, type, source, target, properties] = cell[1] as [Whole, Whole, Whole, Whole, CompactProperty[]];
  return {
    source: Number(source),
    target: Number(target),
    type: known(names.types, type),
    properties: decodeProperties(properties, names),
  };
}

function decodeProperties(properties: CompactProperty[], names: GraphNames): ValueMap {
  const map: ValueMap = {};
  for (const [key, tag, value] of properties) setOwn(map, known(names.keys, key), decodeValue([tag, value]));
  return map;
}

function known(names: string[], index: Whole): string {
  const name = names[Number(index)];
  if (name === undefined) throw new UnknownName(`no name for id ${index}`);
  return name;
}
