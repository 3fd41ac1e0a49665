import { ExitCode, Failure } from '../../failure.js';
import { IncompleteJson, InvalidJson, parseJson } from '../../memory/json.js';
import type { Value } from '../../memory/values.js';
import { Byte, ByteReader } from './json-bytes.js';
import { readPoint, type BadPoint, type FilePoint, type PointRules } from './point-record.js';

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/**
 * As in the graph half. No request to Qdrant may be larger than 32 MB, so no point is, unless its payload is text of which
 * each character takes three times its place when it is escaped; the work on a record takes four times its size of memory.
 */
const MAX_RECORD = 64 * 1024 * 1024;

/** What is left of a chunk and larger than this is not tried again until there is twice as much. */
const LARGE_RECORD = 1024 * 1024;

/** Points that one chunk of bytes completed, or a member beside them. */
export type VectorsPart =
  { kind: 'points'; points: FilePoint[]; bad: BadPoint[] } | { kind: 'field'; name: string; value: Value };

export interface VectorsFileOptions extends PointRules {
  /** Whether the file may be a bare list of points. */
  bareList?: boolean;
}

/**
 * Walks the Qdrant half of a backup (one JSON object whose member `points` is a list) without holding it. Points come as
 * text, see {@link FilePoint}; those that cannot be restored come as {@link BadPoint}. `collection_name`, `stats` and every
 * other member are delivered whole.
 *
 * @throws Failure `backup-not-json` or `backup-truncated`, naming the file and the byte of JSON reached
 */
export async function* readVectorsFile(
  file: string,
  chunks: AsyncIterable<Buffer>,
  options: VectorsFileOptions = {},
): AsyncGenerator<VectorsPart> {
  const walker = new VectorsWalker(file, options);
  for await (const chunk of chunks) yield* walker.feed(chunk);
  yield* walker.rest();
  walker.finish();
}

type Place = 'start' | 'member' | 'points' | 'end';

class VectorsWalker {
  private place: Place = 'start';
  private isBare = false;
  private hasPoints = false;
  /** Nothing stands before the next point or member, so no comma either. */
  private isFirst = true;
  /** What was not consumed stands at its front. One buffer serves the whole file. */
  private work = Buffer.allocUnsafeSlow(1);
  private out = Buffer.allocUnsafeSlow(0);
  private length = 0;
  /** Bytes consumed before `work`. */
  private consumed = 0;
  private waitFor = 0;

  constructor(
    private readonly file: string,
    private readonly options: VectorsFileOptions,
  ) {}

  *feed(chunk: Buffer): Generator<VectorsPart> {
    this.append(chunk);
    if (this.length < this.waitFor) return;
    const reader = new ByteReader(this.work, 0, this.length, this.out);
    let part: VectorsPart & { kind: 'points' } = { kind: 'points', points: [], bad: [] };
    let mark = 0;
    try {
      for (;;) {
        const done = this.step(reader, part);
        mark = reader.pos;
        if (done === null) continue;
        if (part.points.length + part.bad.length > 0) yield part;
        part = { kind: 'points', points: [], bad: [] };
        if (done === 'end') break;
        if (done !== 'list') yield done;
      }
    } catch (error) {
      if (!(error instanceof IncompleteJson)) throw this.explain(error, mark);
    }
    if (part.points.length + part.bad.length > 0) yield part;
    this.keepFrom(mark);
  }

  /** No more comes: what more was waited for is all that there is of it. */
  *rest(): Generator<VectorsPart> {
    if (this.waitFor === 0) return;
    this.waitFor = 0;
    yield* this.feed(Buffer.alloc(0));
  }

  private append(chunk: Buffer): void {
    const length = this.length + chunk.length;
    if (length >= this.work.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length + 1, this.work.length * 2));
      this.work.copy(larger, 0, 0, this.length);
      this.work = larger;
      this.out = Buffer.allocUnsafeSlow(larger.length);
    }
    chunk.copy(this.work, this.length);
    this.length = length;
    // The guard of ByteReader.
    this.work[length] = Byte.Nul;
  }

  private keepFrom(mark: number): void {
    this.work.copyWithin(0, mark, this.length);
    this.consumed += mark;
    this.length -= mark;
    if (this.length > MAX_RECORD) throw this.failure('backup-not-json', 'one record is larger than 64 MB', 0);
    this.waitFor = this.length > LARGE_RECORD ? Math.min(this.length * 2, MAX_RECORD + 1) : 0;
  }

  /** Reads one point or member; says what completed: nothing yet, the list, a field, or the file. */
  private step(
    reader: ByteReader,
    part: { points: FilePoint[]; bad: BadPoint[] },
  ): VectorsPart | 'list' | 'end' | null {
    switch (this.place) {
      case 'start':
        this.start(reader);
        return null;
      case 'points':
        return this.point(reader, part);
      case 'member':
        return this.member(reader);
      case 'end':
        if (!reader.atEnd()) throw reader.invalid('something follows the end of the JSON');
        return 'end';
    }
  }

  private start(reader: ByteReader): void {
    if (reader.bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) reader.pos = 3;
    this.isBare = this.options.bareList === true && reader.peek() === Byte.OpenBracket;
    reader.expect(this.isBare ? Byte.OpenBracket : Byte.OpenBrace);
    this.place = this.isBare ? 'points' : 'member';
  }

  private point(reader: ByteReader, part: { points: FilePoint[]; bad: BadPoint[] }): 'list' | null {
    if (reader.peek() === Byte.CloseBracket) {
      reader.pos++;
      this.place = this.isBare ? 'end' : 'member';
      this.isFirst = false;
      return 'list';
    }
    if (!this.isFirst) reader.expect(Byte.Comma);
    const point = readPoint(reader, this.options);
    this.isFirst = false;
    if ('reason' in point) part.bad.push(point);
    else part.points.push(point);
    return null;
  }

  private member(reader: ByteReader): VectorsPart | null {
    if (reader.peek() === Byte.CloseBrace) {
      reader.pos++;
      this.place = 'end';
      return null;
    }
    if (!this.isFirst) reader.expect(Byte.Comma);
    const name = reader.key();
    if (name === 'points' && reader.peek() === Byte.OpenBracket) {
      if (this.hasPoints) throw reader.invalid('"points" comes a second time');
      this.hasPoints = true;
      reader.pos++;
      this.place = 'points';
      this.isFirst = true;
      return null;
    }
    const value = parseJson(reader.value());
    this.isFirst = false;
    return { kind: 'field', name, value };
  }

  finish(): void {
    if (this.place === 'end') return;
    const where = this.place === 'points' ? '"points"' : 'the object';
    throw this.failure('backup-truncated', `the JSON ends inside ${where}`, this.length);
  }

  /** Compacted text has offsets of its own; the record or member that it stood in is then where to look. */
  private explain(error: unknown, mark: number): unknown {
    if (!(error instanceof InvalidJson)) return error;
    const reason = error.message.replace(/ at character \d+$/, '');
    return this.failure('backup-not-json', reason, mark);
  }

  private failure(code: string, reason: string, offset: number): Failure {
    return new Failure({
      operation: 'read the backup',
      subject: this.file,
      reason: `${reason}, in what begins at byte ${this.consumed + offset} of the uncompressed JSON`,
      hint: 'Use another backup with --backup TIMESTAMP.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code,
    });
  }
}
