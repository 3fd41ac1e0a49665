import { createHash } from 'node:crypto';

import type { PendingFile } from '../../stores/archive/writable.js';
import { assertLiving, attempt, living, type Target } from '../create/half-file.js';
import { encryptFor, type Cipher } from '../encryption.js';

/** A file as it lies at every place. */
export interface PlacedFacts {
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** One file on its way to all places at once, encrypted where asked. It appears nowhere before {@link commit}. */
export class PlacedFile {
  private readonly files = new Map<Target, PendingFile>();
  private readonly hash = createHash('sha256');
  private bytes = 0;
  private cipher: Cipher | null = null;

  private constructor(
    private readonly targets: readonly Target[],
    /** Relative to the base of each place. */
    readonly path: string,
  ) {}

  /**
   * @param recipients age recipients; none: not encrypted
   * @throws what the last place threw, when none takes the file
   */
  static async open(
    targets: readonly Target[],
    path: string,
    recipients: readonly string[],
  ): Promise<PlacedFile> {
    const file = new PlacedFile(targets, path);
    try {
      for (const target of living(targets)) {
        await attempt(target, async () => {
          file.files.set(target, await target.archive.create(target.archive.base + path));
        });
      }
      assertLiving(targets);
      if (recipients.length > 0) file.cipher = await encryptFor(recipients, (chunk) => file.put(chunk));
      return file;
    } catch (error) {
      await file.abandon();
      throw error;
    }
  }

  /** Takes the next bytes, before any encryption. @throws what the last place threw, when none is left */
  async write(chunk: Buffer): Promise<void> {
    await (this.cipher === null ? this.put(chunk) : this.cipher.write(chunk));
  }

  /** All bytes are with the places when it resolves; none shows them yet. */
  async finish(): Promise<PlacedFacts> {
    await this.cipher?.end();
    return { bytes: this.bytes, sha256: this.hash.digest('hex') };
  }

  /** Gives the file its name at one place. @returns how many bytes lie there */
  async commit(target: Target): Promise<number> {
    const file = this.files.get(target);
    if (file === undefined) throw new Error(`nothing was begun at ${target.archive.place}`);
    return (await file.commit()).bytes;
  }

  async abandon(): Promise<void> {
    this.cipher?.destroy();
    await Promise.all([...this.files.values()].map((file) => file.abandon()));
  }

  private async put(chunk: Buffer): Promise<void> {
    this.hash.update(chunk);
    this.bytes += chunk.length;
    await Promise.all(
      living(this.targets).map((target) =>
        attempt(target, async () => {
          await this.files.get(target)?.write(chunk);
        }),
      ),
    );
    assertLiving(this.targets);
  }
}
