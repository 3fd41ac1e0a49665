/** A server's word for how much is to come is no reason to take more memory than this at once. */
const MAX_TRUSTED_BYTES = 32 * 1024 * 1024;

/**
 * The body of an answer as bytes. One that is used for answer after answer takes them into the same memory: pages of
 * megabytes, each in a buffer of its own, would lie about until the garbage collector comes.
 */
export class BodyBuffer {
  private memory = Buffer.alloc(1);
  private filled = 0;

  /**
   * The bytes that were read, with a NUL behind the last one, so that a scanner needs not look where the end is. They
   * stand until the next answer begins.
   */
  get bytes(): Buffer {
    return this.memory;
  }

  /** How many bytes were read: {@link bytes} may be longer. */
  get length(): number {
    return this.filled;
  }

  /** Forgets what was read. @param expected bytes of the next answer, where the server says so; else 0 */
  begin(expected: number): void {
    this.filled = 0;
    this.reserve(Math.min(expected, MAX_TRUSTED_BYTES));
    this.memory[0] = 0;
  }

  append(chunk: Buffer): void {
    const length = this.filled + chunk.length;
    if (length >= this.memory.length) this.reserve(Math.max(length, this.memory.length * 2));
    chunk.copy(this.memory, this.filled);
    this.memory[length] = 0;
    this.filled = length;
  }

  text(): string {
    return this.memory.toString('utf8', 0, this.filled);
  }

  private reserve(bytes: number): void {
    if (!(bytes >= this.memory.length)) return;
    // A little more than asked for, because pages are of nearly one size. What is small comes from Node's own pool.
    const larger = Buffer.allocUnsafe(bytes + 1 + Math.floor(bytes / 8));
    this.memory.copy(larger, 0, 0, this.filled);
    this.memory = larger;
  }
}
