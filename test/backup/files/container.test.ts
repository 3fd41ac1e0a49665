import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';

import { armor, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { checkContainer, gunzipStream } from '../../../src/backup/files/container.js';
import { decryptingArchive } from '../../../src/backup/decrypting-archive.js';
import { Failure } from '../../../src/failure.js';
import { graphHalf, memoryArchive } from '../../support/archive-files.js';

const PATH = 'falkordb/falkordb_20261119_030000.json.gz';
const JSON_TEXT = `{"nodes": [${Array.from({ length: 50 }, (_, id) => JSON.stringify({ id })).join(', ')}]}`;
const GOOD = gzipSync(JSON_TEXT);

async function inflate(content: Buffer, chunkSize = 65_536): Promise<string> {
  const archive = memoryArchive({ [PATH]: content }, chunkSize);
  const chunks: Buffer[] = [];
  for await (const chunk of gunzipStream(archive, { path: PATH, bytes: content.length })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** The failure's code, or the text when it was read to the end. */
async function outcome(content: Buffer, chunkSize?: number): Promise<string> {
  try {
    return await inflate(content, chunkSize);
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
}

async function check(content: Buffer): Promise<{ status: string; reason?: string }> {
  return checkContainer(memoryArchive({ [PATH]: content }), { path: PATH, bytes: content.length });
}

describe('gunzipStream', () => {
  it('gives the content, however it is cut and in however many members', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 40 }),
        async (members, chunkSize) => {
          const content = Buffer.concat(members.map((text) => gzipSync(text)));
          expect(await inflate(content, chunkSize)).toBe(members.join(''));
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([65_536, 1])('finds a file cut at every length (chunks of %i)', async (chunkSize) => {
    for (let length = 0; length < GOOD.length; length++) {
      const expected = 'backup-truncated';
      expect([length, await outcome(GOOD.subarray(0, length), chunkSize)]).toEqual([length, expected]);
    }
    expect(await outcome(GOOD, chunkSize)).toBe(JSON_TEXT);
  });

  it('finds every flipped bit that matters', async () => {
    for (let bit = 0; bit < GOOD.length * 8; bit++) {
      const content = Buffer.from(GOOD);
      content[bit >> 3] = (content[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const result = await outcome(content);
      // Some bits are not data (time, system, padding) or not used (a code without symbols): then nothing is lost.
      if (result !== JSON_TEXT) expect(result).toMatch(/^backup-(?:corrupt|truncated|not-gzip)$/);
    }
  });

  it.each([65_536, 7, 1])('never gives wrong content for a good end (chunks of %i)', async (chunkSize) => {
    const second = gzipSync(' ');
    for (let bit = 0; bit < second.length * 8; bit++) {
      const damaged = Buffer.from(second);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const result = await outcome(Buffer.concat([GOOD, damaged]), chunkSize);
      // A damaged second member must not be taken for harmless rubbish behind the first.
      expect(result === `${JSON_TEXT} ` || result.startsWith('backup-')).toBe(true);
    }
  });

  it('passes over zero bytes at the end, and over nothing else', async () => {
    for (const chunkSize of [65_536, 1]) {
      expect(await outcome(Buffer.concat([GOOD, Buffer.alloc(512)]), chunkSize)).toBe(JSON_TEXT);
      for (const rest of [Buffer.from('rubbish'), Buffer.from([0, 0, 1]), Buffer.from([0x1f, 0])]) {
        expect(await outcome(Buffer.concat([GOOD, rest]), chunkSize)).toBe('backup-corrupt');
      }
      expect(await outcome(Buffer.concat([GOOD, Buffer.alloc(9), GOOD]), chunkSize)).toBe('backup-corrupt');
    }
  });

  it('names the file and the bytes reached', async () => {
    await expect(inflate(GOOD.subarray(0, GOOD.length - 3))).rejects.toMatchObject({
      code: 'backup-truncated',
      subject: PATH,
      exitCode: 4,
      reason: expect.stringMatching(
        new RegExp(`after byte ${GOOD.length - 3} of ${GOOD.length - 3} \\(\\d+ bytes inflated\\)`),
      ) as string,
    });
    const damaged = Buffer.from(GOOD);
    damaged[GOOD.length - 6] = (damaged[GOOD.length - 6] ?? 0) ^ 1;
    await expect(inflate(damaged)).rejects.toThrow(/its checksum does not fit its data/);
  });

  it('leaves the file when its reader stops early', async () => {
    const content = gzipSync(randomBytes(5_000_000));
    const archive = memoryArchive({ [PATH]: content });
    for await (const chunk of gunzipStream(archive, { path: PATH, bytes: content.length })) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  });

  it("passes the archive's own failure on", async () => {
    const archive = memoryArchive({ [PATH]: GOOD });
    const gone = new Failure({
      operation: 'read the backup file',
      subject: PATH,
      reason: 'gone',
      hint: '',
      exitCode: 10,
      code: 's3-unreachable',
    });
    const open = (): Promise<Readable> =>
      Promise.resolve(
        Readable.from(
          (function* (): Generator<Buffer> {
            yield GOOD.subarray(0, 60);
            throw gone;
          })(),
        ),
      );
    const file = { path: PATH, bytes: GOOD.length };
    const read = async (): Promise<void> => {
      for await (const chunk of gunzipStream({ ...archive, open }, file)) expect(chunk).toBeDefined();
    };
    await expect(read()).rejects.toBe(gone);
    await expect(checkContainer({ ...archive, open }, file)).rejects.toBe(gone);
  });
});

describe('checkContainer', () => {
  it('calls good files sound, small and large', async () => {
    expect(await check(graphHalf())).toEqual({ status: 'sound' });
    const large = gzipSync(JSON.stringify({ noise: randomBytes(3_000_000).toString('base64') }));
    expect(large.length).toBeGreaterThan(2 << 20);
    expect(await check(large)).toEqual({ status: 'sound' });
    // Several members make an odd trailer: the file is then read in full.
    const members = [large.subarray(), gzipSync(' '.repeat(5)), gzipSync('\n')];
    expect((await check(Buffer.concat(members))).status).toBe('sound');
  });

  it.each([
    ['an empty file', Buffer.alloc(0), /it is empty \(0 bytes\)/],
    ['plain JSON', Buffer.from(JSON_TEXT), /it is plain JSON, not gzip/],
    ['zero bytes', Buffer.alloc(5000), /never written to the disk/],
    ['an error page', Buffer.from('<?xml version="1.0"?><Error/>'), /web page or XML/],
    ['encrypted', Buffer.from('age-encryption.org/v1\n-> X25519 abc\n'), /encrypted with age/],
    [
      'something else',
      Buffer.from('hello, hello, hello, hello'),
      /begins with 6865 where gzip begins with 1f8b/,
    ],
    ['half a file', GOOD.subarray(0, 40), /ends early/],
    ['text in gzip', gzipSync('no JSON at all'), /does not hold a JSON object/],
    ['JSON that was cut before it was packed', gzipSync('{"nodes": ['), /stops before the closing brace/],
    [
      'rubbish behind',
      Buffer.concat([GOOD, Buffer.alloc(3), Buffer.from('rubbish')]),
      /something else follows/,
    ],
  ])('tells %s', async (_, content, reason) => {
    const verdict = await check(content);
    expect(verdict.status).toBe('broken');
    expect(verdict.reason).toMatch(reason);
    expect(verdict.reason).toContain(PATH);
  });

  it('reads a large file in full when its trailer is odd', async () => {
    const large = gzipSync(JSON.stringify({ noise: randomBytes(3_000_000).toString('base64') }));
    large.fill(0, large.length - 4096);
    expect(await check(large)).toMatchObject({ status: 'broken' });
    const head = Buffer.from(large);
    head[4] = 0;
    head[2] = 9;
    expect(await check(head)).toMatchObject({ status: 'broken' });
  });

  it('tells a file that cannot be opened from an archive that cannot be reached', async () => {
    const failing = (code: string): ReturnType<typeof checkContainer> =>
      checkContainer(
        {
          ...memoryArchive({}),
          open: () =>
            Promise.reject(
              new Failure({ operation: 'o', subject: 's', reason: 'why', hint: 'h', exitCode: 1, code }),
            ),
        },
        { path: PATH, bytes: 5 },
      );
    expect(await failing('archive-file-denied')).toEqual({ status: 'broken', reason: `${PATH}: why` });
    await expect(failing('s3-unreachable')).rejects.toThrow('why');
  });
});

describe('what is encrypted', () => {
  const NAME = `${PATH}.age`;
  // Larger than what is always read in full.
  const large = gzipSync(JSON.stringify({ nodes: [], pad: randomBytes(1_100_000).toString('hex') }), {
    level: 1,
  });

  async function encrypted(): Promise<{ key: string; content: Buffer }> {
    const key = await generateIdentity();
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(key));
    return { key, content: Buffer.from(await encrypter.encrypt(large)) };
  }

  it.each([
    ['whatever its name is', PATH, 'it is encrypted with age, and no key was tried on it'],
    ['as the archive has it', NAME, 'it is encrypted with age, and no key was tried on it'],
  ])('is not called damaged where it is not opened: %s', async (_, path, reason) => {
    const { content } = await encrypted();
    expect(content.length).toBeGreaterThan(1 << 20);
    const file = { path, bytes: content.length };
    const archive = memoryArchive({ [path]: content });
    expect(await checkContainer(archive, file)).toEqual({
      ...{ status: 'broken', reason: `${path}: ${reason}`, locked: true },
    });
    await expect(gunzipStream(archive, file).next()).rejects.toMatchObject({
      code: 'backup-key',
      exitCode: 2,
    });
    const armored = Buffer.from(armor.encode(content));
    expect(await checkContainer(memoryArchive({ [path]: armored }, 7), file)).toMatchObject({ locked: true });
  });

  it('says which key is missing, and is sound with the right one, opened once', async () => {
    const { key, content } = await encrypted();
    const file = { path: NAME, bytes: content.length };
    const plain = memoryArchive({ [NAME]: content });
    const opens: string[] = [];
    const counting = {
      ...plain,
      open: (path: string) => {
        opens.push(path);
        return plain.open(path);
      },
    };
    const other = await generateIdentity();
    const withKeys = (...keys: string[]): ReturnType<typeof checkContainer> =>
      checkContainer(
        decryptingArchive(counting, () => Promise.resolve(keys)),
        file,
      );
    const says = async (...keys: string[]): Promise<unknown> => (await withKeys(...keys)).reason;
    expect(await says()).toContain('LIFEBOAT_AGE_IDENTITY names no key');
    expect(await says(other)).toContain('none of the keys in LIFEBOAT_AGE_IDENTITY opens it');
    opens.length = 0;
    expect(await withKeys(other, key)).toEqual({ status: 'sound' });
    expect(opens).toHaveLength(1);
  });
});
