import { hash } from 'node:crypto';
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Bytes gathered before they go to the file. */
const CHUNK = 1024 * 1024;

/** Where a record lies, and 128 bits of digest that say whether another is the same. */
export interface StoredRecord {
  digest: string;
  offset: number;
  bytes: number;
}

/** Records in a temporary file, to be read again one by one: a collection's vectors do not fit into memory. */
export class RecordFile {
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #written = 0;

  private constructor(
    private readonly folder: string,
    private readonly handle: FileHandle,
  ) {}

  static async create(): Promise<RecordFile> {
    const folder = await mkdtemp(join(tmpdir(), 'lifeboat-compare-'));
    return new RecordFile(folder, await open(join(folder, 'records'), 'wx+', 0o600));
  }

  async append(record: Buffer): Promise<StoredRecord> {
    const digest = hash('sha256', record, 'base64url').slice(0, 22);
    const offset = this.#written + this.#pendingBytes;
    this.#pending.push(record);
    this.#pendingBytes += record.length;
    if (this.#pendingBytes >= CHUNK) await this.#flush();
    return { digest, offset, bytes: record.length };
  }

  async read({ offset, bytes }: StoredRecord): Promise<Buffer> {
    if (this.#pendingBytes > 0) await this.#flush();
    const record = Buffer.alloc(bytes);
    const { bytesRead } = await this.handle.read(record, 0, bytes, offset);
    if (bytesRead !== bytes) throw new Error(`${bytesRead} of ${bytes} bytes could be read at ${offset}`);
    return record;
  }

  async remove(): Promise<void> {
    await this.handle.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #flush(): Promise<void> {
    const chunk = Buffer.concat(this.#pending, this.#pendingBytes);
    [this.#pending, this.#pendingBytes] = [[], 0];
    await this.handle.write(chunk, 0, chunk.length, this.#written);
    this.#written += chunk.length;
  }
}
