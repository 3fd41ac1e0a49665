import { Transform, type TransformCallback } from 'node:stream';

/** A tar archive ends with two blocks of zeros (POSIX.1-2017, pax, "ustar Interchange Format"). */
const END_MARK = 1024;

/** Bytes that may belong to no file: headers, padding, and what is read ahead of the parser. */
const MAX_OVERHEAD = 16 * 1024 * 1024;

/** Backup files are compressed already, and so an archive of them unfolds to about its own size. */
const MAX_RATIO = 100;
/** Below this many bytes no ratio is looked at. */
const HARMLESS = 64 * 1024 * 1024;

/** What is wrong with an archive, in plain words. */
export class TarTrouble extends Error {
  override readonly name = 'TarTrouble';
  constructor(
    readonly code: 'tar-unsafe' | 'tar-foreign' | 'tar-empty' | 'tar-truncated' | 'tar-too-large',
    message: string,
  ) {
    super(message);
  }
}

/**
 * Passes a tar archive on and stops it where it becomes more than it may be: a few kilobytes of gzip can unfold to
 * terabytes. It also looks for the mark at the end, without which an archive that was cut between two files looks whole.
 */
export class TarGuard extends Transform {
  private passed = 0;
  private expected = 0;
  private tail = Buffer.alloc(0);

  /**
   * @param room bytes that there is room for
   * @param packed bytes of the archive as it lies on the disk
   */
  constructor(
    private readonly room: number,
    private readonly packed: number,
  ) {
    super();
  }

  /** To be called for each entry with the size in its header, before any of it is read. */
  expectBytes(size: number): void {
    this.expected += size;
    if (this.expected > this.room) throw new TarTrouble('tar-too-large', 'it does not fit the disk');
    if (this.expected > Math.max(HARMLESS, this.packed * MAX_RATIO))
      throw new TarTrouble('tar-unsafe', 'it unfolds to many times its own size, which no backup does');
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.passed += chunk.length;
    this.tail = Buffer.concat([this.tail, chunk.subarray(-END_MARK)]).subarray(-END_MARK);
    if (this.passed <= this.expected + MAX_OVERHEAD) done(null, chunk);
    else done(new TarTrouble('tar-unsafe', 'it holds a large amount of data that belongs to no file'));
  }

  override _flush(done: TransformCallback): void {
    const isWhole = this.tail.length === END_MARK && this.tail.every((byte) => byte === 0);
    if (isWhole) done();
    else
      done(
        new TarTrouble(
          'tar-truncated',
          'it ends before its end mark: it was not downloaded or written whole',
        ),
      );
  }
}
