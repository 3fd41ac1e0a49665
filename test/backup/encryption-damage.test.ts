import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Encrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { expect, it } from 'vitest';
import { decrypt } from '../../src/backup/encryption.js';
import { flipped } from './verify/pair-files.js';

const CHUNK = 64 * 1024;

it.each([CHUNK * 6, 1 << 20, CHUNK, 10_000, 1_000])(
  'gives every chunk before the damage, in pieces of %d bytes, and fails where it is',
  async (size) => {
    const identity = await generateIdentity();
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(identity));
    const content = randomBytes(CHUNK * 6);
    const file = flipped(Buffer.from(await encrypter.encrypt(content)), Math.floor(CHUNK * 3.5));
    const pieces = Array.from({ length: Math.ceil(file.length / size) }, (_, index) =>
      file.subarray(index * size, (index + 1) * size),
    );
    const read: Buffer[] = [];
    const reading = async (): Promise<void> => {
      const stream = await decrypt('a.json.gz.age', Readable.from(pieces, { objectMode: false }), [identity]);
      for await (const chunk of stream) read.push(chunk as Buffer);
    };
    await expect(reading()).rejects.toMatchObject({ code: 'backup-corrupt' });
    expect(Buffer.concat(read).equals(content.subarray(0, CHUNK * 3))).toBe(true);
    // What the source still gives goes nowhere, and is no error of the process.
    await sleep(20);
  },
);
