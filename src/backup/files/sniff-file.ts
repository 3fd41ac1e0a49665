import { constants, gunzipSync } from 'node:zlib';
import { IncompleteJson, InvalidJson, JsonReader } from '../../memory/json.js';

/** Bytes of a file that are looked at. Inflated they are at most a thousand times as many. */
export const SNIFFED = 16 * 1024;

/** What a file holds, found by looking into it. */
export interface Sniffed {
  kind: 'graph' | 'vectors' | 'point-list' | 'tar' | 'other';
  isGzip: boolean;
  /** `YYYYMMDD_HHMMSS`, where the file says it near its beginning. */
  timestamp: string | null;
  /** For `other`: what it looks like. */
  description: string;
}

const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;

const TAR_MAGIC = 'ustar';
const TAR_MAGIC_AT = 257;

const OTHER_FORMATS: readonly [start: string, description: string][] = [
  ['REDIS', 'a dump of Redis (RDB), which FalkorDB loads itself as its dump.rdb'],
  ['PK\x03\x04', 'a zip file'],
  ['\x28\xb5\x2f\xfd', 'a zstd file: unpack it first'],
  ['BZh', 'a bzip2 file: unpack it first'],
  ['\xfd7zXZ', 'an xz file: unpack it first'],
  ['age-encryption.org', 'encrypted with age: decrypt it first'],
  ['SQLite format 3', 'an SQLite database'],
  ['<', 'a web page or XML (an error message?)'],
  ['\0\0\0\0\0\0\0\0', 'zero bytes: it was never written to the disk'],
];

/** @param head the first {@link SNIFFED} bytes, or the whole file where it is shorter */
export function sniff(head: Buffer): Sniffed {
  if (head.length === 0) return other('empty (0 bytes)');
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  if (!isGzip) return sniffPlain(head);
  try {
    const plain = gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
    return { ...sniffPlain(plain), isGzip };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...other(`a damaged gzip file (${why})`), isGzip };
  }
}

function sniffPlain(head: Buffer): Sniffed {
  if (head.toString('latin1', TAR_MAGIC_AT, TAR_MAGIC_AT + TAR_MAGIC.length) === TAR_MAGIC)
    return { ...other(''), kind: 'tar' };
  const text = head.toString('latin1').replace(/^\xef\xbb\xbf/, '');
  const format = OTHER_FORMATS.find(([start]) => text.startsWith(start));
  if (format !== undefined) return other(format[1]);
  const walk: Walk = { reader: new JsonReader(text, false), names: [], timestamp: null };
  try {
    const first = walk.reader.peek();
    if (first === OPEN_BRACE) return walkObject(walk);
    if (first === OPEN_BRACKET) return walkList(walk);
  } catch (error) {
    if (error instanceof InvalidJson) return other(`no JSON: ${error.message}`);
    if (error instanceof IncompleteJson) return byNames(walk);
    throw error;
  }
  return other('no JSON object, no list and no archive');
}

interface Walk {
  reader: JsonReader;
  names: string[];
  timestamp: string | null;
}

/** Goes through the members until one gives the kind away. */
function walkObject(walk: Walk): Sniffed {
  walk.reader.pos++;
  return members(walk, (name) => {
    if (name === 'nodes' || name === 'relationships') return { ...found('graph', walk) };
    return name === 'points' ? found('vectors', walk) : null;
  });
}

function walkList(walk: Walk): Sniffed {
  const { reader } = walk;
  reader.pos++;
  if (reader.peek() !== OPEN_BRACE) return other('a JSON list that holds no points');
  reader.pos++;
  return members(walk, (name) => {
    if (name === 'vector' || name === 'payload') return found('point-list', walk);
    if (name === 'labels') return other('a JSON list of nodes without the object around it');
    return name === 'source_id' ? other('a JSON list of relationships without the object around it') : null;
  });
}

function members(walk: Walk, kindOf: (name: string) => Sniffed | null): Sniffed {
  const { reader, names } = walk;
  while (reader.peek() === QUOTE) {
    const name = reader.string();
    names.push(name);
    reader.expect(COLON);
    const kind = kindOf(name);
    if (kind !== null) return kind;
    const value = reader.value();
    if (name === 'timestamp' && typeof value === 'string') walk.timestamp = value;
    if (reader.peek() === COMMA) reader.pos++;
  }
  reader.expect(CLOSE_BRACE);
  return byNames(walk);
}

/** The head ended, or the object did, before any list came. */
function byNames(walk: Walk): Sniffed {
  const { names } = walk;
  if (names.includes('graph_name')) return found('graph', walk);
  if (names.includes('collection_name')) return found('vectors', walk);
  if (names.length === 0) return other('JSON without any members');
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name.slice(0, 40)));
  return other(`JSON with the members ${shown.join(', ')}${names.length > 5 ? ' …' : ''}`);
}

function found(kind: Sniffed['kind'], { timestamp }: Walk): Sniffed {
  return { kind, isGzip: false, timestamp, description: '' };
}

function other(description: string): Sniffed {
  return { kind: 'other', isGzip: false, timestamp: null, description };
}
