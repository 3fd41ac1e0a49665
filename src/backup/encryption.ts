import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { Decrypter } from 'age-encryption';
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
  for (const [index, recipient] of recipients.entries()) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      throw notARecipient(recipient, index, recipients.length);
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
  for (const [index, identity] of identities.entries())
    if (!isAdded(decrypter, identity)) {
      source.destroy();
      throw badIdentities('LIFEBOAT_AGE_IDENTITY', `${NO_KEY_OF_AGE} (key ${index + 1})`);
    }
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
 * The secret keys of an identity file, as `age-keygen` writes it: one a line, comments begin with #. Nothing of what stands
 * in it is ever told: it may be a secret of another kind.
 *
 * @throws Failure (exit 2) when it cannot be read, a line of it is no key, or it holds none
 */
export async function readIdentities(file: string): Promise<string[]> {
  if (basename(file).toUpperCase().startsWith(SECRET_KEY))
    throw badIdentities(
      'LIFEBOAT_AGE_IDENTITY',
      'it is a secret key where the path of a key file must stand',
    );
  const lines = (await identityText(file)).split(/\r?\n/).map((line) => line.trim());
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  const keys: string[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === '' || line.startsWith('#')) continue;
    if (!line.startsWith(SECRET_KEY))
      throw badIdentities(file, `line ${index + 1} of it does not begin with ${SECRET_KEY}`);
    if (!isAdded(decrypter, line)) throw badIdentities(file, `${NO_KEY_OF_AGE} (line ${index + 1})`);
    keys.push(line);
  }
  if (keys.length === 0) throw badIdentities(file, 'it holds no key');
  return keys;
}

const SECRET_KEY = 'AGE-SECRET-KEY-';
const NO_KEY_OF_AGE = 'it holds a key that is none of age: mistyped, or cut short';

async function identityText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const reason = code === 'ENOENT' ? 'the file is not there' : `it cannot be read (${code})`;
    throw badIdentities(file, reason);
  }
}

/** What age says of a key that is none quotes the key, and is dropped. */
function isAdded(decrypter: Decrypter, identity: string): boolean {
  try {
    decrypter.addIdentity(identity);
    return true;
  } catch {
    return false;
  }
}

function badIdentities(subject: string, reason: string): Failure {
  return new Failure({
    operation: 'read the keys of the backups',
    subject,
    reason,
    hint: 'Set LIFEBOAT_AGE_IDENTITY to a file that age-keygen wrote.',
    exitCode: ExitCode.usage,
    code: 'age-identity',
  });
}

/** Nothing of the value is told, nor what age says of it, which quotes it: whoever mistakes keys sets secret ones. */
function notARecipient(recipient: string, index: number, count: number): Failure {
  return new Failure({
    operation: 'encrypt the backup',
    subject: `LIFEBOAT_AGE_RECIPIENTS${count === 1 ? '' : `, entry ${index + 1} of ${count}`}`,
    reason: recipient.toUpperCase().startsWith(SECRET_KEY)
      ? 'a secret key where a recipient (age1…) must stand'
      : 'it is no age recipient (age1…)',
    hint: 'Set LIFEBOAT_AGE_RECIPIENTS to public keys that begin with age1, separated by commas; age-keygen -y prints the one of a key file.',
    exitCode: ExitCode.usage,
    code: 'age-recipient',
  });
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
