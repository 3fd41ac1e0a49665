/**
 * JSON as it was written: numbers stay texts, so that 1 is not 1.0 and no digit is lost. Read by nothing but the
 * comparison: what is judged must not read its own work.
 */
export type WrittenJson =
  | { kind: 'number'; text: string }
  | { kind: 'scalar'; text: string }
  | { kind: 'list'; items: WrittenJson[] }
  | { kind: 'map'; entries: Map<string, WrittenJson> };

const TOKEN = /\s*(?:([[\]{}:,])|("[^"\\]*(?:\\.[^"\\]*)*")|(-?\d[\d.eE+-]*)|(true|false|null))/sy;

/** Reads one JSON text. @throws Error where it is none. */
export function readWrittenJson(text: string): WrittenJson {
  const reader = new Reader(text);
  const value = reader.value(reader.next());
  return value;
}

class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  next(): string {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.text);
    if (!match)
      throw new Error(`No JSON at character ${this.#at}: ${this.text.slice(this.#at, this.#at + 40)}`);
    this.#at = TOKEN.lastIndex;
    return match[1] ?? match[2] ?? match[3] ?? match[4] ?? '';
  }

  /** @param token the first one of the value. */
  value(token: string): WrittenJson {
    if (token === '[') return this.#list();
    if (token === '{') return this.#map();
    const isNumber = /^[-\d]/.test(token);
    // A string is parsed and written anew: "\u00e9" and "é" are the same.
    const text = token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token;
    return { kind: isNumber ? 'number' : 'scalar', text };
  }

  #list(): WrittenJson {
    const items: WrittenJson[] = [];
    for (let token = this.next(); token !== ']'; token = this.next()) {
      if (token !== ',') items.push(this.value(token));
    }
    return { kind: 'list', items };
  }

  #map(): WrittenJson {
    const entries = new Map<string, WrittenJson>();
    for (let token = this.next(); token !== '}'; token = this.next()) {
      if (token === ',') continue;
      this.next();
      entries.set(JSON.parse(token) as string, this.value(this.next()));
    }
    return { kind: 'map', entries };
  }
}

/** One text for all ways of writing the same: keys in order, no white space. */
export function canonicalText(value: WrittenJson): string {
  switch (value.kind) {
    case 'number':
    case 'scalar':
      return value.text;
    case 'list':
      return `[${value.items.map(canonicalText).join(',')}]`;
    case 'map': {
      const entries = [...value.entries].sort(([a], [b]) => (a < b ? -1 : 1));
      return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalText(item)}`).join(',')}}`;
    }
  }
}

/**
 * Whether two values are the same but for the last digits of doubles, which Qdrant's JSON reader may change: seen on 151
 * of 1,000 random ratios. An integer is not a double, and a missing field is not one that holds null.
 */
export function nearlySame(a: WrittenJson | undefined, b: WrittenJson | undefined): boolean {
  if (!a || !b) return a === b;
  if (a.kind === 'list' && b.kind === 'list') {
    return (
      a.items.length === b.items.length && a.items.every((item, index) => nearlySame(item, b.items[index]))
    );
  }
  if (a.kind === 'map' && b.kind === 'map') {
    const keys = new Set([...a.entries.keys(), ...b.entries.keys()]);
    return [...keys].every((key) => nearlySame(a.entries.get(key), b.entries.get(key)));
  }
  if (a.kind === 'number' && b.kind === 'number') return nearlySameNumber(a.text, b.text);
  return canonicalText(a) === canonicalText(b);
}

function nearlySameNumber(a: string, b: string): boolean {
  if (a === b) return true;
  if (!/[.eE]/.test(a) || !/[.eE]/.test(b)) return false;
  const [x, y] = [Number(a), Number(b)];
  return Math.abs(x - y) <= 4 * Number.EPSILON * Math.max(Math.abs(x), Math.abs(y));
}
