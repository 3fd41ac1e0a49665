import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { ExitCode, Failure } from '../../failure.js';
import {
  nextToken,
  parseEntry,
  printEntry,
  unreadableLease,
  type HeldLease,
  type LeaseClaim,
  type LeaseEntry,
  type LeaseRecord,
  type LeaseStore,
  type TakenLease,
} from './lease-store.js';

/** The file of the highest generation: the one that counts. */
interface Current {
  generation: number;
  path: string;
  entry: LeaseEntry;
  version: string;
  modifiedMs: number;
}

/** Times that a listing whose file went away under it is made again. */
const LOOKS = 10;

/**
 * The lease in a folder that all runs of this machine share.
 *
 * Each taking of the lease makes a file of its own, `<name>.<generation>.json`, one above the last; the highest counts.
 * A file gets its name by a hard link, which the file system gives to one process only, with its whole content and on
 * disk. From then on its holder alone writes to it, so that a holder that
 * was fenced out, whatever it still does, changes only what no longer counts. Nothing has to be locked, and nothing is
 * left locked by a process that was killed.
 *
 * @param folder absolute path; made when the lease is first taken
 * @param name see leaseName
 */
export function fileLease(folder: string, name: string): LeaseStore {
  return new FileLease(folder, name);
}

class FileLease implements LeaseStore {
  readonly place: string;

  constructor(
    private readonly folder: string,
    private readonly name: string,
  ) {
    this.place = join(folder, `${name}.*.json`);
  }

  read(): Promise<HeldLease | null> {
    return this.guarded(async () => {
      const current = await this.current();
      if (current === null || current.entry.released) return null;
      const { entry, version, modifiedMs } = current;
      // Both times are of the file system: on a network drive, its server's clock counts.
      const ageMs = (await this.fileSystemTime()) - modifiedMs;
      return {
        record: entry.record,
        version,
        ageMs: Math.max(0, ageMs),
        expiresInMs: entry.record.ttlSeconds * 1000 - ageMs,
      };
    });
  }

  take(claim: LeaseClaim, over: string | null): Promise<TakenLease | null> {
    return this.guarded(async () => {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const last = await this.current();
      if ((last === null || last.entry.released ? null : last.version) !== over) return null;
      const generation = (last?.generation ?? 0) + 1;
      const record = { ...claim, token: nextToken(last?.entry.record.token ?? 0) };
      if (!(await this.create(generation, printEntry(record)))) return null;
      const now = await this.current();
      if (now?.generation !== generation) {
        // Others went on while this process slept; a file below theirs never counted.
        await rm(this.path(generation), { force: true });
        return null;
      }
      // The one before stays: who listed the folder a moment ago still finds what it is looking for.
      await this.removeBelow(generation - 1);
      return { record, version: now.version };
    });
  }

  renew(version: string, record: LeaseRecord): Promise<string | null> {
    return this.guarded(() => this.overwrite(version, printEntry(record)));
  }

  release(version: string): Promise<boolean> {
    return this.guarded(async () => {
      const current = await this.current();
      if (current?.version !== version) return false;
      return (await this.overwrite(version, printEntry(current.entry.record, true))) !== null;
    });
  }

  close(): void {
    // Nothing is kept open.
  }

  /** The holder's own file, with new content. @returns its version; null where it does not count any more */
  private async overwrite(version: string, text: string): Promise<string | null> {
    const before = await this.current();
    if (before?.version !== version) return null;
    await this.withDraft(text, async (draft) => {
      await rename(draft, before.path);
      await this.syncFolder();
    });
    const after = await this.current();
    return after?.generation === before.generation ? after.version : null;
  }

  private async create(generation: number, text: string): Promise<boolean> {
    return this.withDraft(text, async (draft) => {
      try {
        await link(draft, this.path(generation));
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      }
      await this.syncFolder();
      return true;
    });
  }

  private async current(): Promise<Current | null> {
    for (let look = 1; ; look++) {
      const generation = (await this.generations()).at(-1);
      if (generation === undefined) return null;
      try {
        return await this.open(generation);
      } catch (error) {
        // Between listing and reading, others took the lease twice.
        if (codeOf(error) !== 'ENOENT' || look === LOOKS) throw error;
      }
    }
  }

  private async open(generation: number): Promise<Current> {
    const path = this.path(generation);
    const file = await open(path, 'r');
    try {
      const { mtimeNs } = await file.stat({ bigint: true });
      const entry = parseEntry(await file.readFile('utf8'));
      if (entry === null)
        throw unreadableLease(path, 'the file holds something that is no lease', `rm '${path}'`);
      const version = `${generation}@${mtimeNs}`;
      return { generation, path, entry, version, modifiedMs: Number(mtimeNs / 1_000_000n) };
    } finally {
      await file.close();
    }
  }

  /** In ascending order. */
  private async generations(): Promise<number[]> {
    const names = await readdir(this.folder).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    });
    return names
      .map((name) => (name.startsWith(`${this.name}.`) ? name.slice(this.name.length + 1) : ''))
      .map((rest) => Number(/^(\d{1,15})\.json$/.exec(rest)?.[1] ?? 0))
      .filter((generation) => generation > 0)
      .sort((a, b) => a - b);
  }

  private async removeBelow(generation: number): Promise<void> {
    const old = (await this.generations()).filter((each) => each < generation);
    await Promise.all(old.map((each) => rm(this.path(each), { force: true })));
  }

  private path(generation: number): string {
    return join(this.folder, `${this.name}.${generation}.json`);
  }

  private fileSystemTime(): Promise<number> {
    return this.withDraft('', async (_, file) => (await file.stat()).mtimeMs);
  }

  /** A file under a name of its own, on disk with its content, for as long as `use` takes. */
  private async withDraft<T>(text: string, use: (path: string, file: FileHandle) => Promise<T>): Promise<T> {
    const path = join(this.folder, `.${this.name}.${randomUUID()}`);
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(text);
      if (text !== '') await file.sync();
      return await use(path, file);
    } finally {
      await file.close();
      await rm(path, { force: true });
    }
  }

  private async syncFolder(): Promise<void> {
    const folder = await open(this.folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Failure || codeOf(error) === '') throw error;
      throw this.unusable(error);
    }
  }

  private unusable(error: unknown): Failure {
    return new Failure(
      {
        operation: 'keep the lease',
        subject: this.folder,
        reason: (error as Error).message,
        hint: 'Set LIFEBOAT_STATE to a folder of a local disk that can be written to, then run the command again.',
        exitCode: ExitCode.failed,
        code: 'lease-folder',
      },
      { cause: error },
    );
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
