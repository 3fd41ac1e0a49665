import { IncompleteJson, InvalidJson } from '../../memory/json.js';
import { Byte, ByteReader } from '../files/json-bytes.js';

const POINTS = '"points"';

/** A point of an answer, in the server's own words without white space. */
export interface PagePoint {
  /** JSON: a text in quotes, or an integer. */
  id: string;
  /**
   * A plain list of numbers as bytes, which stand until the next point is asked for: of a collection's bytes nine in ten
   * are such, and nobody needs them as a text. Anything else (names, sparse vectors, several, none) as JSON.
   */
  vector: Buffer | string;
  /** JSON: an object, or `null`. */
  payload: string;
}

/**
 * Takes the points out of the answers of a scroll without making values of them. One instance serves all answers, because
 * its working memory is as large as they are.
 */
export class PagePoints {
  private out = Buffer.allocUnsafeSlow(0);
  /** Apart from `out`, because the payload of a point may stand behind its vector. */
  private numbers = Buffer.allocUnsafeSlow(0);

  /**
   * The points of one answer.
   *
   * @param bytes with a NUL behind the last one
   * @throws InvalidJson where the answer holds no list of points, or something else is in it
   */
  *of({ bytes, length }: { bytes: Buffer; length: number }): Generator<PagePoint> {
    // Nothing that users write stands before the points.
    const at = bytes.subarray(0, length).indexOf(POINTS);
    if (at < 0) throw new InvalidJson('the answer holds no points', 0);
    if (this.out.length < bytes.length) {
      this.out = Buffer.allocUnsafeSlow(bytes.length);
      this.numbers = Buffer.allocUnsafeSlow(bytes.length);
    }
    const reader = new ByteReader(bytes, at + POINTS.length, length, this.out);
    try {
      reader.expect(Byte.Colon);
      reader.expect(Byte.OpenBracket);
      for (let isFirst = true; reader.peek() !== Byte.CloseBracket; isFirst = false) {
        if (!isFirst) reader.expect(Byte.Comma);
        yield this.point(reader);
      }
    } catch (error) {
      if (error instanceof IncompleteJson) throw new InvalidJson('the answer ends too soon', length);
      throw error;
    }
  }

  private point(reader: ByteReader): PagePoint {
    const point: PagePoint = { id: '', vector: '{}', payload: 'null' };
    reader.expect(Byte.OpenBrace);
    for (let isFirst = true; reader.peek() !== Byte.CloseBrace; isFirst = false) {
      if (!isFirst) reader.expect(Byte.Comma);
      const name = reader.key();
      if (name === 'vector') point.vector = this.plainVector(reader) ?? reader.value();
      else if (name === 'id' || name === 'payload') point[name] = reader.value();
      // Version and shard key are not the point's own.
      else reader.value();
    }
    reader.pos++;
    if (point.id === '') throw reader.invalid('a point has no id');
    return point;
  }

  /** @returns null where anything but numbers stands in the list, or no list; the reader then stands where it stood */
  private plainVector(reader: ByteReader): Buffer | null {
    if (reader.peek() !== Byte.OpenBracket) return null;
    const { numbers } = this;
    const { length, end } = copyNumbers(reader.bytes, reader.pos + 1, numbers);
    if (length === 0 || reader.bytes[end] !== Byte.CloseBracket) return null;
    reader.pos = end + 1;
    return numbers.subarray(0, length);
  }
}

/** What a byte is to a list of numbers; of each, the lowest bit says whether it is copied. */
const enum Kind {
  Other = 0,
  Number = 1,
  Space = 2,
}

const KINDS = new Uint8Array(256);
for (const byte of Buffer.from('0123456789+-.eE,')) KINDS[byte] = Kind.Number;
for (const byte of Buffer.from(' \t\n\r')) KINDS[byte] = Kind.Space;

/**
 * Copies numbers, and the brackets around them, up to the first byte that is none of theirs: servers print them with or
 * without a space between. The hottest loop of a backup, and so it asks one question of each byte.
 *
 * @returns where the numbers end in `bytes`, and how long the list is in `out`: 0 for an empty one
 */
function copyNumbers(bytes: Buffer, start: number, out: Buffer): { end: number; length: number } {
  let pos = start;
  let length = 1;
  for (;;) {
    const byte = bytes[pos] as number;
    const kind = KINDS[byte] as Kind;
    if (kind === Kind.Other) break;
    out[length] = byte;
    length += kind & Kind.Number;
    pos++;
  }
  if (length === 1) return { end: pos, length: 0 };
  out[0] = Byte.OpenBracket;
  out[length] = Byte.CloseBracket;
  return { end: pos, length: length + 1 };
}
