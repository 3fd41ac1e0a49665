import { double, Double, type Value, type ValueMap } from '../../memory/values.js';

/** One memory that is hard to carry over. What is absent stays as the generator would have made it. */
export interface HardCase {
  name: string;
  /** null: the memory has no content property at all. */
  content?: string | null;
  tags?: string[];
  /** Keys put in front of what AutoMem itself writes into `metadata`. */
  metadata?: ValueMap;
  /** Properties of the node only: operators and old scripts set them. */
  nodeOnly?: ValueMap;
  /** Properties of node and payload alike: PATCH checks none of them. */
  both?: ValueMap;
  /** Set on relationships that this memory authors: /associate takes them raw. */
  edge?: ValueMap;
}

/** Every control character but NUL, which no graph query can carry. */
const CONTROLS = Array.from({ length: 31 }, (_, index) => String.fromCharCode(index + 1)).join('') + '\u007f';

const LONG_LINE = 'A long note about "quotes", back\\slashes and it\'s {braces} – über 20 kB. ';

function map(entries: [string, Value][]): ValueMap {
  const result: ValueMap = {};
  for (const [key, value] of entries) {
    // Plain assignment would lose the key "__proto__".
    Object.defineProperty(result, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return result;
}

const TEXTS: readonly (readonly [string, string | null])[] = [
  ['quotes, backslash, line break, tab, emoji', 'He said: "it\'s \\ fine"\nsecond line\tTab 🧠 漢字'],
  ['Cypher that ends a string', "'}) DETACH DELETE n //"],
  ['Cypher with its own match', '"}) MATCH (n) DETACH DELETE n RETURN 1 //'],
  ['parameter header', 'CYPHER rows=[1] UNWIND $rows AS $param RETURN `x`'],
  ['placeholders of every kind', '$param ${x} $1 {{template}} %s %(name)s {0} <%= y %>'],
  ['backticks', '`a` ``b`` ```js\nconst x = `${y}`;\n```'],
  ['backslash at the end', 'C:\\Users\\alice\\'],
  ['two backslashes and a quote at the end', "path \\\\'"],
  ['only a quote', "'"],
  ['only a backslash', '\\'],
  ['control characters', `controls ${CONTROLS} end`],
  ['line separators and other spaces', 'a\u2028b\u2029c\u0085d\u00a0e\u200bf\ufeffg'],
  ['Windows lines', 'first\r\nsecond\r\n\r\nlast'],
  ['joined emoji and flags', '👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 🧑🏿‍🚀 ok'],
  ['right to left', 'שלום עולם – مرحبا بالعالم \u202Eback\u202C \u2067mixed\u2069'],
  ['accents apart and together', 'e\u0301 is not \u00e9; Ω is not \u03a9; ﬁ ligature; İstanbul'],
  ['edges of the planes', '\uffff \ufffd \u{10000} \u{10ffff} \ue000'],
  ['script end', '</script><script>alert("x")</script><!-- --> &amp; &lt;'],
  ['looks like JSON', '{"a": [1, 2.0, null], "b": "\\u0041", "c": "\\ud83e"}'],
  ['escapes as text', '\\u0041 \\n \\t \\x00 \\\\ \\" end'],
  ['looks like a number', '1.0'],
  ['looks like nothing', 'null'],
  ['SQL', "'; DROP TABLE memories; --"],
  ['20 kB', LONG_LINE.repeat(Math.ceil(20_000 / LONG_LINE.length)).slice(0, 20_000)],
  ['20 kB of wide characters', '漢字🧠é'.repeat(4_000)],
  ['empty content', ''],
  ['no content', null],
];

const METADATA: readonly (readonly [string, ValueMap])[] = [
  [
    'metadata with reserved names',
    map([
      ['type', 'spoofed'],
      ['confidence', 2],
      ['content', 'not the content'],
      ['timestamp', 'yesterday'],
      ['importance', 'high'],
      ['tags', ['not', 'tags']],
      ['id', 'not-the-id'],
      ['archived', true],
      ['archived_at', null],
      ['metadata', { metadata: {} }],
      ['relevance_score', double(9)],
    ]),
  ],
  [
    'nested metadata',
    map([
      [
        'nested',
        {
          list: [1, double(2), 'x', [], {}, [[null]]],
          none: null,
          deep: { deeper: { deepest: [{ a: { b: [true, false] } }] } },
        },
      ],
      ['relationships', [{ type: 'RELATES_TO', target: 'nobody' }]],
    ]),
  ],
  [
    'numbers in metadata',
    map([
      ['ratio', 0.14285714285714285],
      ['sum', 0.30000000000000004],
      ['whole', double(1)],
      ['minus_zero', new Double(-0)],
      ['tiny', 1.5e-7],
      ['small', 0.00001],
      ['large', double(1e16)],
      ['huge', double(1e22)],
      ['int', 1],
      ['big', 1_234_567_890_123_456_789n],
      ['negative', -42],
    ]),
  ],
  [
    'odd metadata keys',
    map([
      ['', 'empty key'],
      ['key with space', 1],
      ['"quoted"', "it's"],
      ['back\\slash', '\\'],
      ['ключ', 'значение'],
      ['🧠', ['emoji']],
      ['a.b[0]', 'path'],
      ['`tick`', '$x'],
      ['__proto__', { polluted: true }],
      ['constructor', 'toString'],
      ['line\nbreak', 'x'],
    ]),
  ],
];

const TAGS: readonly (readonly [string, string[]])[] = [
  [
    'odd tags',
    [
      "it's",
      '"quoted"',
      'back\\slash',
      'Ünï/Cödé',
      '🧠:brain',
      'a//b',
      'trailing:',
      ':leading',
      '`tick`',
      'with space',
      "'}) DETACH DELETE n //",
    ],
  ],
  ['very long tag', [`long/${'x'.repeat(900)}:Tail`, 'short']],
  ['deep tags', ['a/b:c/d:e/f', 'A/B:C', 'a:b:c', 'project:Atlas/phase:2']],
  ['no tags', []],
];

const REST: readonly HardCase[] = [
  { name: 'whole numbers as integers', both: { importance: 1, confidence: 0 } },
  { name: 'importance as text', both: { importance: 'high' } },
  { name: 'importance out of range', both: { importance: 1.7, confidence: new Double(-1) } },
  { name: 'an unknown type', both: { type: 'To-do "later"' } },
  {
    name: 'properties left by an old recovery',
    nodeOnly: {
      source: 'slack',
      session_id: 'S-2024-11',
      nested: "{'a': [1, None]}",
      'file-path': 'src/app.py',
      attempts: 3,
      cost: double(2),
      beyond_2_53: 9_007_199_254_740_993n,
      flags: [true, false],
      matrix: [[1, double(1)], []],
      none_left: [],
    },
  },
  {
    name: 'protected',
    nodeOnly: { protected: true, protected_reason: 'Kept for the audit: "do not forget"' },
  },
  { name: 'protected, as text', nodeOnly: { protected: 'yes' } },
  { name: 'legacy embeddings', nodeOnly: { embeddings: [0.25, double(-1), double(0), 0.142857142857143] } },
  {
    name: 'raw association values',
    edge: { strength: 1, reason: 'because "it\'s" so\\', context: 'a\nb 🧠', observations: 3, note: [] },
  },
];

/** Every hard case, in the order in which they are dealt out. */
export const HARD_CASES: readonly HardCase[] = [
  ...TEXTS.map(([name, content]) => ({ name, content })),
  ...METADATA.map(([name, metadata]) => ({ name, metadata })),
  ...TAGS.map(([name, tags]) => ({ name, tags })),
  ...REST,
];

/** Of more than this many memories, every hard case is dealt out at least once. */
export const MEMORIES_FOR_ALL_HARD_CASES = HARD_CASES.length * 3;

/**
 * The hard case of one memory, or null for most. Dealt out evenly, at most one memory in three; in populations of
 * thousands, again for one memory in 200 (but the empty and the 20 kB ones only once).
 */
export function hardCaseOf(memory: number, memories: number): HardCase | null {
  const stride = Math.max(3, Math.floor(memories / HARD_CASES.length));
  if (memory % stride === 1) {
    const dealt = HARD_CASES[(memory - 1) / stride];
    if (dealt) return dealt;
  }
  if (memories < 2000 || memory % 200 !== 100) return null;
  const again = HARD_CASES[Math.floor(memory / 200) % HARD_CASES.length];
  const once = again?.content === null || again?.content === '' || (again?.content?.length ?? 0) > 10_000;
  return once ? null : (again ?? null);
}
