import { isAscii } from 'node:buffer';
import { ExitCode, Failure } from '../../failure.js';
import { nativeRecord } from './native-record.js';
import { IncompleteJson, InvalidJson, JsonReader, type KeyFollowers } from '../../memory/json.js';
import {
  isMap,
  type GraphNode,
  type GraphRelationship,
  type Value,
  type ValueMap,
} from '../../memory/values.js';

const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COMMA = 44;
const COLON = 58;
const QUOTE = 34;
const BYTE_ORDER_MARK = 0xfeff;

/**
 * Characters of one record. A memory is a few kilobytes, and no request of AutoMem's can bring in as much; a small file can
 * unpack to one record that fills all memory.
 */
const MAX_RECORD = 64 * 1024 * 1024;

/** What is left of a chunk and larger than this is not tried again until there is twice as much. */
const LARGE_RECORD = 1024 * 1024;

/** Lists whose records are small maps with `properties`: the native parser can be trusted with most of them. */
const HAVE_PROPERTIES = new Set(['nodes', 'relationships']);

/** One member of a backup file's outer object: a list, its records a chunk at a time, or a whole small value. */
export type FilePart =
  | { kind: 'list'; list: string }
  | { kind: 'records'; list: string; records: Value[] }
  | { kind: 'field'; name: string; value: Value };

/**
 * Walks a backup file of AutoMem's format (one JSON object whose large members are lists) without holding it: each
 * yield is at most what one chunk of bytes completed.
 *
 * @param lists names of the members to deliver record by record; every other member is delivered whole.
 * @throws Failure `backup-not-json`, `backup-truncated` or `backup-record-too-large`, naming the file and the byte of JSON
 *   reached.
 */
export async function* readBackupFile(
  file: string,
  chunks: AsyncIterable<Buffer>,
  lists: ReadonlySet<string>,
): AsyncGenerator<FilePart> {
  // A decoder that looks for a byte order mark takes it away at the start of any chunk.
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const walker = new FileWalker(file, lists);
  let isPlain = true;
  for await (const chunk of chunks) {
    isPlain &&= isAscii(chunk);
    let text: string;
    try {
      // AutoMem's files are ASCII, and so the text takes one byte a character; a TextDecoder's would take two.
      text = isPlain ? chunk.toString('latin1') : decoder.decode(chunk, { stream: true });
    } catch {
      // Replaced characters would be a loss that nobody hears of.
      throw walker.failure('backup-not-json', 'the text is not UTF-8');
    }
    yield* walker.feed(text, false);
  }
  yield* walker.feed(lastCharacter(decoder), true);
  walker.finish();
}

function lastCharacter(decoder: { decode(): string }): string {
  try {
    return decoder.decode();
  } catch {
    return '\ufffd';
  }
}

type Place = 'start' | 'member' | 'records' | 'end';

class FileWalker {
  private place: Place = 'start';
  private list = '';
  /** Nothing stands before the next record or member, so no comma either. */
  private isFirst = true;
  private rest = '';
  /** Bytes consumed before `rest`. */
  private consumed = 0;
  private waitFor = 0;
  private readonly followers: KeyFollowers = new Map();

  constructor(
    private readonly file: string,
    private readonly lists: ReadonlySet<string>,
  ) {}

  *feed(text: string, last: boolean): Generator<FilePart> {
    this.rest = this.rest === '' ? text : this.rest + text;
    if (this.rest.length < this.waitFor && !last) return;
    const reader = new JsonReader(this.rest, last, this.followers);
    let mark = 0;
    let records: Value[] = [];
    try {
      for (;;) {
        const done = this.step(reader, records);
        mark = reader.pos;
        if (done === null) continue;
        if (records.length > 0) yield { kind: 'records', list: this.list, records };
        records = [];
        if (done === 'end') break;
        if (done !== 'list') yield done;
      }
    } catch (error) {
      if (!(error instanceof IncompleteJson)) throw this.explain(error);
    }
    if (records.length > 0) yield { kind: 'records', list: this.list, records };
    this.consumed += Buffer.byteLength(this.rest.slice(0, mark));
    this.rest = this.rest.slice(mark);
    this.waitForMore();
  }

  /** Reads on in a record larger than a chunk, up to a limit. */
  private waitForMore(): void {
    const { length } = this.rest;
    if (length > MAX_RECORD)
      throw this.failure('backup-record-too-large', 'one record is larger than 64 MB', 0);
    this.waitFor = length > LARGE_RECORD ? Math.min(length * 2, MAX_RECORD + 1) : 0;
  }

  /** Reads one record or member; says what completed: nothing yet, a list, a field, or the file. */
  private step(reader: JsonReader, records: Value[]): FilePart | 'list' | 'end' | null {
    switch (this.place) {
      case 'start':
        if (reader.peek() === BYTE_ORDER_MARK) reader.pos++;
        reader.expect(OPEN_BRACE);
        this.place = 'member';
        return null;
      case 'records':
        return this.record(reader, records);
      case 'member':
        return this.member(reader);
      case 'end':
        if (!reader.atEnd()) throw new InvalidJson('something follows the object', reader.pos);
        return 'end';
    }
  }

  private record(reader: JsonReader, records: Value[]): 'list' | null {
    const char = reader.peek();
    if (char === CLOSE_BRACKET) {
      reader.pos++;
      this.place = 'member';
      this.isFirst = false;
      return 'list';
    }
    if (!this.isFirst) reader.expect(COMMA);
    const record = this.native(reader) ?? reader.value();
    // Counted only once what follows is in sight, so that a number at the edge of a chunk is never cut in two.
    reader.peek();
    this.isFirst = false;
    records.push(record);
    return null;
  }

  private native(reader: JsonReader): Value | null {
    if (!HAVE_PROPERTIES.has(this.list) || reader.peek() !== OPEN_BRACE) return null;
    const native = nativeRecord(reader.text, reader.pos);
    if (native === null) return null;
    reader.pos = native.end;
    return native.record;
  }

  private member(reader: JsonReader): FilePart | 'end' | null {
    const char = reader.peek();
    if (char === CLOSE_BRACE) {
      reader.pos++;
      this.place = 'end';
      return null;
    }
    if (!this.isFirst) reader.expect(COMMA);
    if (reader.peek() !== QUOTE) throw new InvalidJson('expected a key', reader.pos);
    const name = reader.string();
    reader.expect(COLON);
    if (this.lists.has(name) && reader.peek() === OPEN_BRACKET) {
      reader.pos++;
      this.list = name;
      this.place = 'records';
      this.isFirst = true;
      // Also an empty list was there.
      return { kind: 'list', list: name };
    }
    const value = reader.value();
    this.isFirst = false;
    return { kind: 'field', name, value };
  }

  finish(): void {
    if (this.place !== 'end') {
      throw this.failure(
        'backup-truncated',
        `the JSON ends inside ${this.list === '' ? 'the object' : `"${this.list}"`}`,
      );
    }
  }

  private explain(error: unknown): unknown {
    if (!(error instanceof InvalidJson)) return error;
    return this.failure('backup-not-json', error.message.replace(/ at character \d+$/, ''), error.offset);
  }

  failure(code: string, reason: string, offset = this.rest.length): Failure {
    const byte = this.consumed + Buffer.byteLength(this.rest.slice(0, offset));
    return new Failure({
      operation: 'read the backup',
      subject: this.file,
      reason: `${reason}, at byte ${byte} of the uncompressed JSON`,
      hint: 'Use an older backup with --backup TIMESTAMP, or go on without one with --backup none.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code,
    });
  }
}

/** A record that is not what the format says, with what is wrong about it. */
export interface BadRecord {
  reason: string;
  record: Value;
}

export function asNode(record: Value): GraphNode | BadRecord {
  if (!isMap(record)) return { reason: 'a node is not an object', record };
  const { id, labels, properties } = record;
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0)
    return { reason: 'a node has no internal id', record };
  if (!isLabels(labels)) return { reason: 'the labels of a node are not a list of texts', record };
  if (!isMap(properties)) return { reason: 'a node has no properties object', record };
  return { internalId: id, labels, properties };
}

function isLabels(value: Value | undefined): value is string[] {
  return Array.isArray(value) && value.every((label) => typeof label === 'string');
}

export function asRelationship(record: Value): GraphRelationship | BadRecord {
  if (!isMap(record)) return { reason: 'a relationship is not an object', record };
  const { source_id: source, target_id: target, type, properties } = record;
  if (typeof source !== 'number' || typeof target !== 'number')
    return { reason: 'a relationship lacks an end', record };
  if (typeof type !== 'string' || type === '') return { reason: 'a relationship has no type', record };
  const none = properties === undefined || properties === null;
  if (!none && !isMap(properties))
    return { reason: 'the properties of a relationship are not an object', record };
  return { source, target, type, properties: none ? ({} satisfies ValueMap) : properties };
}
