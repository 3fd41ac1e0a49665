import { createHash } from 'node:crypto';
import type { PendingFile, WritableArchive } from '../../stores/archive/writable.js';
import { encryptFor, type Cipher } from '../encryption.js';
import { BlockWriter, type WrittenBlocks } from './block-writer.js';

/** A place that a backup goes to, and what became of it there. */
export interface Target {
  archive: WritableArchive;
  /** What went wrong there first; the backup goes on at the others. */
  failure: unknown;
  /** Set where the place was not there when it was looked at first. */
  isNew?: boolean;
}

/** What was written of one file. */
export interface HalfFacts extends WrittenBlocks {
  /** Of the file as it lies there. */
  fileBytes: number;
  fileSha256: string;
}

/** One file of a backup on its way to all places at once. It appears nowhere before {@link commit}. */
export class HalfFile {
  private readonly hash = createHash('sha256');
  private fileBytes = 0;
  private cipher: Cipher | null = null;
  readonly writer: BlockWriter;

  private constructor(
    readonly path: string,
    private readonly files: Map<Target, PendingFile>,
  ) {
    this.writer = new BlockWriter((bytes) =>
      this.cipher === null ? this.put(bytes) : this.cipher.write(bytes),
    );
  }

  /**
   * @param path relative to the base of each place
   * @param recipients age recipients; none: not encrypted
   * @throws what the last place threw, when none takes the file
   */
  static async open(
    targets: readonly Target[],
    path: string,
    recipients: readonly string[],
    signal: AbortSignal,
  ): Promise<HalfFile> {
    const half = new HalfFile(path, new Map());
    try {
      for (const target of living(targets)) {
        await attempt(target, async () => {
          half.files.set(target, await target.archive.create(target.archive.base + path));
        });
      }
      signal.throwIfAborted();
      assertLiving(targets);
      if (recipients.length > 0) half.cipher = await encryptFor(recipients, (bytes) => half.put(bytes));
      return half;
    } catch (error) {
      await half.abandon();
      throw error;
    }
  }

  /** All bytes are with the places when it resolves; none shows them yet. */
  async finish(): Promise<HalfFacts> {
    const written = await this.writer.finish();
    await this.cipher?.end();
    return { ...written, fileBytes: this.fileBytes, fileSha256: this.hash.digest('hex') };
  }

  /** Gives the file its name at one place. */
  async commit(target: Target): Promise<void> {
    const file = this.files.get(target);
    if (file === undefined) return;
    const { bytes } = await file.commit();
    if (bytes !== this.fileBytes)
      throw new Error(`${bytes} bytes lie at ${target.archive.place} where ${this.fileBytes} were written`);
  }

  async abandon(): Promise<void> {
    this.cipher?.destroy();
    await Promise.all([...this.files.values()].map((file) => file.abandon()));
  }

  private async put(bytes: Buffer): Promise<void> {
    this.hash.update(bytes);
    this.fileBytes += bytes.length;
    const targets = [...this.files.keys()];
    await Promise.all(
      living(targets).map((target) =>
        attempt(target, async () => {
          await this.files.get(target)?.write(bytes);
        }),
      ),
    );
    assertLiving(targets);
  }
}

/** Places at which nothing went wrong so far. */
export function living(targets: readonly Target[]): Target[] {
  return targets.filter(({ failure }) => failure === null);
}

/** Notes what goes wrong at one place, so that the others can go on. */
export async function attempt(target: Target, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    target.failure ??= error;
  }
}

/** @throws what went wrong at the last place, where none is left */
export function assertLiving(targets: readonly Target[]): void {
  const last = targets.at(-1);
  if (last !== undefined && living(targets).length === 0) throw last.failure;
}
