import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decrypt, encryptFor, readIdentities } from '../../src/backup/encryption.js';
import { Failure } from '../../src/failure.js';

let folder: string;
let key: string;
let recipient: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-keys-'));
  key = await generateIdentity();
  recipient = await identityToRecipient(key);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a person is told, and what a program could find besides. */
async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Failure)) throw new Error('it did not fail as expected', { cause: error });
  const { message, hint, subject, cause, stack } = error;
  const told = [message, hint, subject, String(cause), stack].join('\n');
  // Eight characters of a key are found nowhere by chance.
  for (const secret of [key.slice(15), 'hunter2-is-secret'])
    for (let at = 0; at + 8 <= secret.length; at++)
      expect(told.toLowerCase()).not.toContain(secret.slice(at, at + 8).toLowerCase());
  return error;
}

function fileOf(text: string): string {
  const path = join(folder, 'key.txt');
  writeFileSync(path, text);
  return path;
}

describe('nothing of a key is told', () => {
  it('where a recipient must stand', async () => {
    const take = (): Promise<void> => Promise.resolve();
    const secret = await failureOf(encryptFor([recipient, key], take));
    expect(secret).toMatchObject({ code: 'age-recipient', exitCode: 2 });
    expect(secret.message).toContain('LIFEBOAT_AGE_RECIPIENTS, entry 2 of 2');
    expect(secret.message).toContain('a secret key where a recipient (age1…) must stand');
    for (const none of [key.toLowerCase(), key.slice(0, -3), 'hunter2-is-secret', `age1${key.slice(20)}`])
      expect(await failureOf(encryptFor([none], take))).toMatchObject({ code: 'age-recipient' });
  });

  it('where a file of keys holds something else', async () => {
    const half = `${key.slice(0, -2)}QQ`;
    expect((await failureOf(readIdentities(fileOf(`# mine\n\n${half}\n`)))).message).toContain('(line 3)');
    const other = await failureOf(readIdentities(fileOf(`${key}\nhunter2-is-secret\n`)));
    expect(other.message).toContain('line 2 of it does not begin with AGE-SECRET-KEY-');
    expect(await readIdentities(fileOf(`# mine\r\n${key}\r\n`))).toEqual([key]);
  });

  it('where the key itself stands in place of its file', async () => {
    const failure = await failureOf(readIdentities(join(folder, key)));
    expect(failure).toMatchObject({ code: 'age-identity', exitCode: 2, subject: 'LIFEBOAT_AGE_IDENTITY' });
  });

  it('where a key is none when it is used', async () => {
    expect(await failureOf(decrypt('x.age', Readable.from(['']), [key.slice(0, -1)]))).toMatchObject({
      code: 'age-identity',
    });
  });
});
