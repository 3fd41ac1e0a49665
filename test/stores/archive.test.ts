import { createServer, type Server } from 'node:http';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { catalogue } from '../../src/backup/catalogue.js';
import { checkContainer, gunzipStream } from '../../src/backup/files/container.js';
import { readAll, type Archive } from '../../src/stores/archive/archive.js';
import { localArchive } from '../../src/stores/archive/local-archive.js';
import { s3Archive } from '../../src/stores/archive/s3-archive.js';
import type { S3Place } from '../../src/stores/archive/s3-client.js';
import { folderWith, graphHalf } from '../support/archive-files.js';
import { startMoto, type Moto } from '../support/moto.js';
import { unprivileged } from '../support/unprivileged.js';

const GRAPH = 'falkordb/falkordb_20261119_030000.json.gz';
const VECTORS = 'qdrant/qdrant_20261119_030000.json.gz';
const CONTENT = graphHalf();
/** Longer than any chunk that a store hands out, and different at every place. */
const LONG = Buffer.from(Array.from({ length: 1_500_000 }, (_, index) => (index * 2_654_435_761) >>> 24));
const FILES = {
  [GRAPH]: CONTENT,
  [`automem-backups/${VECTORS}`]: LONG,
  'qdrant/notes.txt': Buffer.from('left alone'),
  'other/file': Buffer.from('not listed'),
};

const keys = { accessKeyId: 'test', secretAccessKey: 'test', sessionToken: null };
const place = (endpoint: string, bucket: string): S3Place => ({
  bucket,
  prefix: 'automem-backups',
  endpoint,
  region: null,
  profile: null,
  credentials: keys,
});

let folders: string[] = [];
afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders = [];
});

function folder(files: Record<string, Buffer | string>): string {
  const root = folderWith(files);
  folders.push(root);
  return root;
}

/** What every archive must do. */
function contract(name: string, make: () => Promise<Archive>): void {
  describe(`${name} keeps the contract`, () => {
    it('lists the two store folders in both layouts, by path', async () => {
      const entries = await (await make()).list();
      expect(entries.map(({ path, bytes }) => [path, bytes])).toEqual([
        [`automem-backups/${VECTORS}`, LONG.length],
        [GRAPH, CONTENT.length],
        ['qdrant/notes.txt', 10],
      ]);
      for (const { modified } of entries) expect(new Date(modified).toISOString()).toBe(modified);
    });

    it('reads a file, in whole and in part', async () => {
      const archive = await make();
      const long = `automem-backups/${VECTORS}`;
      expect((await readAll(await archive.open(long))).equals(LONG)).toBe(true);
      const middle = await readAll(await archive.open(long, { start: 1_000_000, length: 1000 }));
      expect(middle.equals(LONG.subarray(1_000_000, 1_001_000))).toBe(true);
      const end = await readAll(await archive.open(long, { start: LONG.length - 8 }));
      expect(end.equals(LONG.subarray(-8))).toBe(true);
      expect(await readAll(await archive.open(long, { start: 5, length: 0 }))).toHaveLength(0);
      expect(await readAll(await archive.open(long, { start: LONG.length }))).toHaveLength(0);
      expect(await readAll(await archive.open(long, { start: LONG.length - 2, length: 50 }))).toHaveLength(2);
    });

    it('says that a file is not there', async () => {
      const archive = await make();
      await expect(archive.open('falkordb/none.json.gz').then(readAll)).rejects.toMatchObject({
        code: 'archive-file-missing',
      });
    });

    it('opens no other file than the one that was listed', async () => {
      const archive = await make();
      const entry = (await archive.list()).find(({ path }) => path === GRAPH);
      expect((await readAll(await archive.open(GRAPH, undefined, entry?.version))).equals(CONTENT)).toBe(
        true,
      );
      await expect(archive.open(GRAPH, { start: 3 }, `${entry?.version ?? ''}0`)).rejects.toMatchObject({
        code: 'backup-changed',
        exitCode: 1,
      });
    });

    it('serves the catalogue and the container check', async () => {
      const archive = await make();
      const [pair] = await catalogue(archive);
      expect(pair?.timestamp).toBe('20261119_030000');
      expect(pair?.graph).toMatchObject({ path: GRAPH, bytes: CONTENT.length });
      expect(await checkContainer(archive, { path: GRAPH, bytes: CONTENT.length })).toEqual({
        status: 'sound',
      });
      const vectors = { path: `automem-backups/${VECTORS}`, bytes: LONG.length };
      expect(await checkContainer(archive, vectors)).toMatchObject({ status: 'broken' });
    });
  });
}

contract('a local folder', () => Promise.resolve(localArchive(folder(FILES))));

describe('a local folder', () => {
  it('says what is wrong with the folder', async () => {
    const root = folder({ file: 'x' });
    await expect(localArchive(join(root, 'none')).list()).rejects.toMatchObject({ code: 'archive-missing' });
    await expect(localArchive(join(root, 'file')).list()).rejects.toMatchObject({
      code: 'archive-missing',
      reason: 'it is not a folder',
    });
  });

  it('lists a link that leads nowhere with what is wrong, beside the good files', async () => {
    const root = folder({ [GRAPH]: CONTENT });
    mkdirSync(join(root, 'qdrant'));
    symlinkSync(join(root, 'nowhere'), join(root, VECTORS));
    symlinkSync('loop', join(root, 'qdrant', 'loop'));
    symlinkSync(join(root, GRAPH), join(root, 'qdrant', 'good'));
    symlinkSync(root, join(root, 'falkordb', 'circle'));
    const entries = await localArchive(root).list();
    expect(entries.map(({ path, unusable }) => [path, unusable])).toEqual([
      [GRAPH, undefined],
      ['qdrant/good', undefined],
      ['qdrant/loop', 'it is a link that leads in a circle'],
      [VECTORS, 'it is a link to a file that is not there'],
    ]);
  });

  it('refuses paths that lead out of it', async () => {
    const root = folder({ [GRAPH]: CONTENT });
    for (const path of ['../x', '/etc/hostname', 'falkordb/../../x', '']) {
      await expect(localArchive(root).open(path)).rejects.toMatchObject({ code: 'archive-file-unusable' });
    }
    await expect(localArchive(root).open('falkordb')).rejects.toMatchObject({ reason: 'it is not a file' });
  });

  it('says that it may not read', async () => {
    const root = folder({ [GRAPH]: CONTENT, [VECTORS]: CONTENT });
    chmodSync(join(root, GRAPH), 0);
    await unprivileged(() =>
      expect(localArchive(root).open(GRAPH)).rejects.toMatchObject({ code: 'archive-file-denied' }),
    );
    chmodSync(join(root, 'qdrant'), 0);
    await unprivileged(() =>
      expect(localArchive(root).list()).rejects.toMatchObject({ code: 'archive-denied' }),
    );
    chmodSync(join(root, 'qdrant'), 0o700);
  });
});

describe('S3', () => {
  let moto: Moto | undefined;
  let client: S3Client;
  const endpoint = (): string => moto?.endpoint ?? '';

  beforeAll(async () => {
    moto = await startMoto();
    client = new S3Client({
      endpoint: moto.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
    await client.send(new CreateBucketCommand({ Bucket: 'backups' }));
    for (const [Key, Body] of Object.entries(FILES)) {
      await client.send(new PutObjectCommand({ Bucket: 'backups', Key, Body }));
    }
    await client.send(new PutObjectCommand({ Bucket: 'backups', Key: 'falkordb/', Body: Buffer.alloc(0) }));
  });

  afterAll(async () => {
    await moto?.stop();
  });

  contract('a bucket', () => Promise.resolve(s3Archive(place(endpoint(), 'backups'))));

  it('reads a listing of several pages to its end', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'many' }));
    const names = Array.from({ length: 1005 }, (_, index) => {
      const stamp = new Date(Date.UTC(2026, 0, 1) + index * 3_600_000).toISOString();
      return `qdrant_${stamp.replace(/[-:]|\..*/g, '').replace('T', '_')}.json.gz`;
    });
    const put = async (name: string | undefined): Promise<void> => {
      if (name === undefined) return;
      const Key = `automem-backups/qdrant/${name}`;
      await client.send(new PutObjectCommand({ Bucket: 'many', Key, Body: 'x' }));
      await put(left.pop());
    };
    const left = [...names];
    await Promise.all(Array.from({ length: 20 }, () => put(left.pop())));
    const archive = s3Archive(place(endpoint(), 'many'));
    expect(await archive.list()).toHaveLength(1005);
    expect(await catalogue(archive)).toHaveLength(1005);
    expect(archive.place).toBe('s3://many/automem-backups');
  });

  it('says that there is no such bucket', async () => {
    const archive = s3Archive(place(endpoint(), 'none-of-that-name'));
    await expect(archive.list()).rejects.toMatchObject({ code: 's3-no-such-bucket', exitCode: 4 });
  });

  it('says that nothing listens at the endpoint', async () => {
    const archive = s3Archive(place('http://127.0.0.1:1', 'backups'));
    await expect(archive.list()).rejects.toMatchObject({
      code: 's3-unreachable',
      exitCode: 10,
      reason: expect.stringContaining('http://127.0.0.1:1') as string,
    });
    const nowhere = s3Archive(place('http://no-such-host.invalid', 'backups'));
    await expect(nowhere.list()).rejects.toMatchObject({ code: 's3-unreachable' });
  });
});

describe('S3 that answers with an error', () => {
  let server: Server | undefined;
  let endpoint = '';
  /** What the server does with each request, in turn; the last one again and again. */
  let answers: ((request: { url: string; range: string | undefined }) => {
    status: number;
    headers?: Record<string, string>;
    body?: Buffer | string;
    /** Breaks the connection after the body. */
    breakOff?: boolean;
    /** Never answers. */
    silent?: boolean;
  })[] = [];
  let requests: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      const { range } = request.headers;
      requests.push(`${request.url ?? ''} ${range ?? ''}`);
      const next = answers.length > 1 ? answers.shift() : answers[0];
      const answer = next?.({ url: request.url ?? '', range });
      if (answer === undefined || answer.silent === true) return;
      response.writeHead(answer.status, answer.headers);
      response.write(answer.body ?? '', () => {
        if (answer.breakOff === true) response.destroy();
        else response.end();
      });
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    requests = [];
    vi.unstubAllEnvs();
  });

  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
  });

  function says(status: number, code: string, headers: Record<string, string> = {}): void {
    const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
    answers = [() => ({ status, headers: { 'content-type': 'application/xml', ...headers }, body })];
  }

  it.each([
    [403, 'AccessDenied', 's3-access-denied'],
    [403, 'InvalidAccessKeyId', 's3-wrong-credentials'],
    [403, 'SignatureDoesNotMatch', 's3-wrong-credentials'],
    [400, 'ExpiredToken', 's3-expired-credentials'],
    [301, 'PermanentRedirect', 's3-wrong-region'],
    [400, 'AuthorizationHeaderMalformed', 's3-wrong-region'],
    [403, 'RequestTimeTooSkewed', 's3-clock'],
    [404, 'NoSuchBucket', 's3-no-such-bucket'],
    [400, 'SomethingElse', 'archive-unreadable'],
  ])('tells %i %s while listing', async (status, code, expected) => {
    says(status, code);
    const failure = s3Archive(place(endpoint, 'backups')).list();
    await expect(failure).rejects.toMatchObject({ name: 'Failure', code: expected });
    await expect(failure).rejects.toThrow('s3://backups');
  });

  it.each([
    [403, 'AccessDenied', 'archive-file-denied'],
    [403, 'InvalidObjectState', 'archive-file-unusable'],
    [404, 'NoSuchKey', 'archive-file-missing'],
    [400, 'ExpiredToken', 's3-expired-credentials'],
  ])('tells %i %s while reading', async (status, code, expected) => {
    says(status, code);
    const open = s3Archive(place(endpoint, 'backups')).open(GRAPH);
    await expect(open).rejects.toMatchObject({ code: expected });
    await expect(open).rejects.toThrow(GRAPH);
  });

  it('says how long it waited', async () => {
    answers = [() => ({ status: 200, silent: true })];
    const archive = s3Archive(place(endpoint, 'backups'), { connectMs: 1000, silenceMs: 300 });
    await expect(archive.list()).rejects.toMatchObject({
      code: 's3-unreachable',
      reason: expect.stringContaining('0.3 s') as string,
    });
  });

  it('takes a download up again where it broke off', async () => {
    const half = Math.floor(CONTENT.length / 2);
    const headers = (length: number): Record<string, string> => ({
      'content-length': String(length),
      etag: '"e"',
    });
    answers = [
      () => ({
        status: 200,
        headers: headers(CONTENT.length),
        body: CONTENT.subarray(0, half),
        breakOff: true,
      }),
      () => ({ status: 206, headers: headers(CONTENT.length - half), body: CONTENT.subarray(half) }),
    ];
    const archive = s3Archive(place(endpoint, 'backups'));
    const chunks: Buffer[] = [];
    for await (const chunk of gunzipStream(archive, { path: GRAPH, bytes: CONTENT.length }))
      chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toContain('"graph_name": "memories"');
    expect(requests[1]).toContain(`bytes=${half}-`);
  });

  it('gives up on a download that gets no further', async () => {
    const headers = { 'content-length': String(CONTENT.length) };
    answers = [() => ({ status: 200, headers, body: CONTENT.subarray(0, 0), breakOff: true })];
    const archive = s3Archive(place(endpoint, 'backups'));
    await expect(archive.open(GRAPH).then(readAll)).rejects.toMatchObject({ code: 's3-unreachable' });
  });

  it('finds no credentials and no region', async () => {
    const root = folder({ config: '', credentials: '' });
    writeFileSync(join(root, 'config'), '[profile other]\n');
    vi.stubEnv('AWS_CONFIG_FILE', join(root, 'config'));
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(root, 'credentials'));
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    for (const name of ['AWS_REGION', 'AWS_PROFILE', 'AWS_ACCESS_KEY_ID']) vi.stubEnv(name, undefined);
    const nobody = s3Archive({ ...place(endpoint, 'backups'), credentials: null });
    await expect(nobody.list()).rejects.toMatchObject({ code: 's3-no-credentials' });
    const nowhere = s3Archive({ ...place(endpoint, 'backups'), endpoint: null });
    await expect(nowhere.list()).rejects.toMatchObject({ code: 's3-no-region' });
  });
});
