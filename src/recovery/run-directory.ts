import { randomBytes } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { ExitCode, Failure } from '../failure.js';

/** A fresh run id: the day, so that folders sort, and enough chance that two runs never meet. */
export function newRunId(now: Date): string {
  const day = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${day}-${randomBytes(3).toString('hex')}`;
}

/** The folder of one run: its journal, what it quarantined and salvaged, and its report. */
export class RunDirectory {
  private readonly streams = new Map<string, { stream: WriteStream; failed: Promise<never> }>();

  private constructor(readonly path: string) {}

  /** @throws Failure (exit 1) where the folder cannot be made. */
  static async create(state: string, run: string): Promise<RunDirectory> {
    const path = join(state, 'runs', run);
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw runFolderFailure(path, error);
    }
    return new RunDirectory(path);
  }

  /** Appends one record to an NDJSON file of the run; the file is made with its first record. */
  append(name: string, record: unknown): void {
    let entry = this.streams.get(name);
    if (entry === undefined) {
      const stream = createWriteStream(join(this.path, name), { flags: 'a', mode: 0o600 });
      const failed = new Promise<never>((_, reject) => stream.once('error', reject));
      // Looked at when the run closes; until then it must not count as unhandled.
      failed.catch(() => undefined);
      entry = { stream, failed };
      this.streams.set(name, entry);
    }
    entry.stream.write(`${JSON.stringify(record, plainNumbers)}\n`);
  }

  async write(name: string, text: string): Promise<string> {
    const path = join(this.path, name);
    try {
      await writeFile(path, text, { mode: 0o600 });
    } catch (error) {
      throw runFolderFailure(path, error);
    }
    return path;
  }

  /** Absolute paths of the NDJSON files that have records. */
  files(): Record<string, string> {
    return Object.fromEntries(
      [...this.streams.keys()].map((name) => [name.replace(/\.ndjson$/, ''), join(this.path, name)]),
    );
  }

  /** @throws Failure where a record could not be written: a loss that nobody would hear of otherwise. */
  async close(): Promise<void> {
    // Every file is brought to its end before the first that could not be written is named.
    const files = [...this.streams].map(async ([name, { stream, failed }]) => {
      try {
        stream.end();
        await Promise.race([finished(stream), failed]);
      } catch (error) {
        throw runFolderFailure(join(this.path, name), error);
      }
    });
    const unwritten = (await Promise.allSettled(files)).find(({ status }) => status === 'rejected');
    if (unwritten?.status === 'rejected') throw unwritten.reason;
  }
}

/** Big integers of records that were not stored, in a form that JSON has. Doubles bring their own. */
export function plainNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** What a run cannot do without: its folder. */
export function runFolderFailure(path: string, error: unknown): Failure {
  return new Failure(
    {
      operation: 'write to the folder of the run',
      subject: path,
      reason: (error as Error).message,
      hint: 'Free disk space or set LIFEBOAT_STATE to a folder that can be written to, then run the command again.',
      exitCode: ExitCode.failed,
      code: 'run-folder',
    },
    { cause: error },
  );
}
