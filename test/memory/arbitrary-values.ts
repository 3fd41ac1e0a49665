import fc from 'fast-check';

import { Double, double, type Value } from '../../src/memory/values.js';

/** A value with its kinds spelled out, so that 1, 1.0, -0.0 and a big integer are told apart, whatever key order. */
export type Tagged =
  | null
  | boolean
  | { i: string }
  | { f: string }
  | { s: string }
  | { a: Tagged[] }
  | { o: [string, Tagged][] };

export function tag(value: Value): Tagged {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') return { s: value };
  if (typeof value === 'bigint') return { i: value.toString() };
  if (typeof value === 'number')
    return Number.isInteger(value) ? { i: BigInt(value).toString() } : { f: bits(value) };
  if (value instanceof Double) return { f: bits(value.value) };
  if (Array.isArray(value)) return { a: value.map(tag) };
  return { o: Object.entries(value).map(([key, field]): [string, Tagged] => [key, tag(field)]) };
}

/** The bits of a double as hexadecimal digits; every NaN is one. */
function bits(value: number): string {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleBE(value);
  return Number.isNaN(value) ? '7ff8000000000000' : buffer.toString('hex');
}

/** The same for Python: `untag` gives the value that {@link tag} described, `tag` describes one. */
export const PYTHON_TAGS = `
import struct
def untag(t):
    if t is None or isinstance(t, bool): return t
    [(kind, v)] = t.items()
    if kind == 'i': return int(v)
    if kind == 'f': return struct.unpack('>d', bytes.fromhex(v))[0]
    if kind == 'a': return [untag(item) for item in v]
    if kind == 'o': return {key: untag(item) for key, item in v}
    return v
def tag(v):
    if v is None or isinstance(v, bool): return v
    if isinstance(v, int): return {'i': str(v)}
    if isinstance(v, float): return {'f': '7ff8000000000000' if v != v else struct.pack('>d', v).hex()}
    if isinstance(v, list): return {'a': [tag(item) for item in v]}
    if isinstance(v, dict): return {'o': [[key, tag(item)] for key, item in v.items()]}
    return {'s': v}
`;

/** Sorts the fields of maps: no store promises their order, and JavaScript puts keys such as "7" first. */
export function sorted(tagged: Tagged): Tagged {
  if (tagged === null || typeof tagged === 'boolean') return tagged;
  if ('a' in tagged) return { a: tagged.a.map(sorted) };
  if (!('o' in tagged)) return tagged;
  const fields = tagged.o.map(([key, field]): [string, Tagged] => [key, sorted(field)]);
  return { o: fields.sort(([a], [b]) => (a < b ? -1 : 1)) };
}

/** Any UTF-16 there is: halves of surrogate pairs, NUL, controls, quotes, backslashes. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 })
    .map((units) => String.fromCharCode(...units)),
  fc.string({
    unit: fc.constantFrom('"', '\\', '/', '\u007f', '\u2028', '\ufeff', 'u', 'n', '\n', '\0', '🧠'),
    maxLength: 8,
  }),
);

export const anyKey: fc.Arbitrary<string> = fc.oneof(
  anyText,
  fc.constantFrom('__proto__', 'constructor', 'toJSON', 'length', '7', '', 'a\\', '\\', '\\u0041', 'A', '"'),
);

const BIG = 2n ** 70n;
const anyNumber: fc.Arbitrary<Value> = fc.oneof(
  fc.maxSafeInteger().map((value) => value + 0),
  fc.bigInt({ min: -BIG, max: BIG }).filter((value) => !Number.isSafeInteger(Number(value))),
  fc.double().map(double),
  fc
    .constantFrom(0, -0, 1, 1e15, 1e16, 1e17, 9999999999999998, 1e22, 0.0001, 0.00001, 123456.75, 5e-324)
    .map(double),
);

export const anyValue: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.boolean(), anyText, anyNumber),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(anyKey, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;
