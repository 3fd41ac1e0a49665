import { hash } from 'node:crypto';
import { closeSync, createReadStream, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { plainNumbers, runFolderFailure } from '../../recovery/run-directory.js';

/**
 * Records that a run puts aside, one JSON line each. They are with the system before the step that met them goes on: a
 * process that is killed right after must not have forgotten what it lost. A run that goes on adds what is not there yet.
 */
export class AsideFile {
  /** Records in the file, those of processes before this one included. */
  count = 0;
  private fd: number | null = null;
  private failed: unknown = null;
  /** Hashes of the lines of processes before this one, and how often each came. */
  private readonly earlier = new Map<string, number>();

  constructor(private readonly path: string) {}

  /** Takes up what processes before this one wrote. @throws Failure where it cannot be read */
  async takeUp(): Promise<void> {
    try {
      const { size } = statSync(this.path);
      let whole = 0;
      for await (const line of createInterface({ input: createReadStream(this.path), crlfDelay: Infinity })) {
        const end = whole + Buffer.byteLength(line) + 1;
        // A line that has no end was being written when the machine failed.
        if (end > size) break;
        whole = end;
        this.count++;
        const key = hashOf(line);
        this.earlier.set(key, (this.earlier.get(key) ?? 0) + 1);
      }
      if (whole < size) truncateSync(this.path, whole);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw runFolderFailure(this.path, error);
    }
  }

  /**
   * Adds a record, unless a process before this one wrote the same. What cannot be written is told by {@link close}.
   *
   * @returns whether it was added
   */
  append(record: unknown): boolean {
    const line = JSON.stringify(record, plainNumbers);
    const known = this.earlier.size === 0 ? 0 : (this.earlier.get(hashOf(line)) ?? 0);
    if (known > 0) {
      // Of several alike, each is passed over as often as it is there.
      this.earlier.set(hashOf(line), known - 1);
      return false;
    }
    this.count++;
    this.write(Buffer.from(`${line}\n`));
    return true;
  }

  /** @throws Failure where a record could not be written */
  close(): void {
    if (this.fd !== null) closeSync(this.fd);
    this.fd = null;
    if (this.failed !== null) throw runFolderFailure(this.path, this.failed);
  }

  private write(bytes: Buffer): void {
    if (this.failed !== null) return;
    try {
      this.fd ??= openSync(this.path, 'a', 0o600);
      for (let at = 0; at < bytes.length;) at += writeSync(this.fd, bytes, at);
    } catch (error) {
      this.failed = error;
    }
  }
}

function hashOf(line: string): string {
  return hash('sha1', line, 'base64');
}
