import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { ExitCode, Failure } from '../failure.js';

/** What turns a file's bytes into those that are written. */
export interface Cipher {
  write(chunk: Buffer): Promise<void>;
  /** The last bytes are on their way when it resolves. */
  end(): Promise<void>;
  /** Frees what waits for more. */
  destroy(): void;
}

/** Bytes that may wait between the file and its cipher. */
const HIGH_WATER = 1 << 20;
const PIECE = 64 * 1024;

/**
 * Encrypts for age recipients (`age1…`), so that `age -d` and Lifeboat open it.
 *
 * @param take is given the encrypted bytes
 * @throws Failure (exit 2) where a recipient is none
 */
export async function encryptFor(
  recipients: readonly string[],
  take: (chunk: Buffer) => Promise<void>,
): Promise<Cipher> {
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (error) {
      throw notARecipient(recipient, error);
    }
  }
  const plain = new TransformStream<Uint8Array, Uint8Array>(
    undefined,
    new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER }),
  );
  const writer = plain.writable.getWriter();
  const pumping = (async () => {
    const encrypted = await encrypter.encrypt(plain.readable);
    for await (const chunk of encrypted as unknown as AsyncIterable<Uint8Array>)
      await take(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  })().catch(async (error: unknown) => {
    // Whoever writes must hear of it, and not wait for ever.
    await writer.abort(error).catch(() => undefined);
    throw error;
  });
  pumping.catch(() => undefined);
  return {
    write: async (chunk) => {
      // A stream that was cancelled tells nothing of why; what the other end threw does.
      await writer.ready.catch(() => pumping);
      // What it throws when the other end failed is what the other end threw.
      writer.write(chunk).catch(() => undefined);
    },
    end: async () => {
      await writer.close().catch(() => undefined);
      await pumping;
    },
    destroy: () => void writer.abort(new Error('given up')).catch(() => undefined),
  };
}

/**
 * The bytes of an age file, decrypted while they are read.
 *
 * @param identities `AGE-SECRET-KEY-1…`
 * @throws Failure `backup-key` (exit 2) when none of them opens it; the stream fails with Failure `backup-corrupt` where it is damaged
 */
export async function decrypt(
  path: string,
  source: Readable,
  identities: readonly string[],
): Promise<Readable> {
  if (identities.length === 0) {
    source.destroy();
    throw noKey(path, 'it is encrypted with age, and LIFEBOAT_AGE_IDENTITY names no key');
  }
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  let opened: ReadableStream<Uint8Array>;
  let sourceError: unknown = null;
  source.on('error', (error) => (sourceError = error));
  try {
    opened = await decrypter.decrypt(ReadableStream.from(pieces(source)));
  } catch (error) {
    source.destroy();
    if (sourceError instanceof Failure) throw sourceError;
    const reason = error instanceof Error ? error.message : String(error);
    if (/no identity matched/i.test(reason))
      throw noKey(path, 'it is encrypted with age, and none of the keys in LIFEBOAT_AGE_IDENTITY opens it');
    throw damaged(path, reason, error);
  }
  return Readable.from(
    decrypted(path, opened, () => sourceError),
    {
      objectMode: false,
      // Where a stream fails, what waits in it is lost: the chunks before the damage, which are proven.
      highWaterMark: 1,
    },
  );
}

/**
 * No piece of it completes two chunks of age, which are 64 KiB and a tag: of two, the whole one before a damaged one would
 * be lost with it.
 */
async function* pieces(source: Readable): AsyncGenerator<Uint8Array> {
  for await (const chunk of source as AsyncIterable<Buffer>)
    for (let at = 0; at < chunk.length; at += PIECE) yield chunk.subarray(at, at + PIECE);
}

async function* decrypted(
  path: string,
  opened: ReadableStream<Uint8Array>,
  sourceError: () => unknown,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of opened) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  } catch (error) {
    const cause = sourceError() ?? error;
    if (cause instanceof Failure) throw cause;
    throw damaged(path, error instanceof Error ? error.message : String(error), error);
  }
}

/**
 * The secret keys of an identity file, as `age-keygen` writes it: one a line, comments begin with #.
 *
 * @throws Failure (exit 2) when it cannot be read or holds no key
 */
export async function readIdentities(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw badIdentities(
      file,
      code === 'ENOENT' ? 'the file is not there' : `it cannot be read (${code})`,
      error,
    );
  }
  const keys = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const bad = keys.findIndex((key) => !key.startsWith('AGE-SECRET-KEY-'));
  // The line itself is not shown: it may be a secret of another kind.
  if (bad >= 0) throw badIdentities(file, `key ${bad + 1} in it does not begin with AGE-SECRET-KEY-`);
  if (keys.length === 0) throw badIdentities(file, 'it holds no key');
  return keys;
}

function badIdentities(file: string, reason: string, cause?: unknown): Failure {
  return new Failure(
    {
      operation: 'read the keys of the backups',
      subject: file,
      reason,
      hint: 'Set LIFEBOAT_AGE_IDENTITY to a file that age-keygen wrote.',
      exitCode: ExitCode.usage,
      code: 'age-identity',
    },
    { cause },
  );
}

function notARecipient(recipient: string, cause: unknown): Failure {
  return new Failure(
    {
      operation: 'encrypt the backup',
      subject: recipient.slice(0, 24),
      reason: recipient.startsWith('AGE-SECRET-KEY')
        ? 'it is a secret key where the public one belongs'
        : 'it is no age recipient',
      hint: 'Set LIFEBOAT_AGE_RECIPIENTS to public keys that begin with age1, separated by commas; age-keygen -y prints the one of a key file.',
      exitCode: ExitCode.usage,
      code: 'age-recipient',
    },
    { cause },
  );
}

/** What age files begin with, plain and as text. */
const AGE_FILES = ['age-encryption.org/', '-----BEGIN AGE '];

/** Whether a file is encrypted with age, by its first bytes. */
export function isAge(head: Buffer): boolean {
  const text = head.toString('latin1', 0, 64);
  return AGE_FILES.some((start) => text.startsWith(start));
}

/** What is encrypted, and was not opened before it was read: nothing says that it is damaged. */
export function unopened(path: string): Failure {
  return noKey(path, 'it is encrypted with age, and no key was tried on it');
}

function noKey(path: string, reason: string): Failure {
  return new Failure({
    operation: 'open the encrypted backup',
    subject: path,
    reason,
    hint: 'Set LIFEBOAT_AGE_IDENTITY to the key file, or decrypt it yourself: age -d -i KEYFILE.',
    exitCode: ExitCode.usage,
    code: 'backup-key',
  });
}

function damaged(path: string, reason: string, cause: unknown): Failure {
  return new Failure(
    {
      operation: 'open the encrypted backup',
      subject: path,
      reason: `it is damaged (${reason})`,
      hint: 'Use another backup, or fetch this file again from where it was copied.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code: 'backup-corrupt',
    },
    { cause },
  );
}
