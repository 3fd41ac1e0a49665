import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Thread from '../../../src/backup/pair/graph-half-thread.js';
import { readGraphHalf, type GraphHalf, type GraphHalfOptions } from '../../../src/backup/pair/graph-half.js';
import type * as Failures from '../../../src/failure.js';
import { ExitCode } from '../../../src/failure.js';
import type { Archive } from '../../../src/stores/archive/archive.js';
import { memoryArchive } from '../../support/archive-files.js';
import { BUILT } from '../../support/cli.js';

const PATH = 'falkordb/falkordb_20261101_030000.json.gz';

/** Only the built program has a file that a thread can run; what it throws is its own. */
async function built<T>(module: string): Promise<T> {
  return (await import(fileURLToPath(new URL(`../../../${BUILT}/${module}`, import.meta.url)))) as T;
}

const { readGraphHalfBeside } = await built<typeof Thread>('backup/pair/graph-half-thread.js');
const { Failure } = await built<typeof Failures>('failure.js');

let folder: string;
let whole: Buffer;

/** More than a megabyte that gzip can do nothing about, with all that the reader has to say about records. */
function largeHalf(): Buffer {
  const nodes = Array.from({ length: 6_000 }, (_, id) => ({
    id,
    labels: id % 100 === 0 ? ['Entity'] : ['Memory'],
    properties: {
      id: id === 7 ? 'not a uuid' : crypto.randomUUID(),
      content: randomBytes(150).toString('hex'),
      type: id % 3 === 0 ? 'MetaPattern' : 'Insight',
      importance: 0.5,
    },
  }));
  const relationships = Array.from({ length: 2_000 }, (_, at) => ({
    ...{ source_id: at, target_id: at === 5 ? 99_999 : at + 1, type: 'RELATES_TO' },
    properties: { strength: 1.5, at },
  }));
  const stats = { node_count: nodes.length, relationship_count: relationships.length };
  const half = { timestamp: '20261101_030000', graph_name: 'memories', nodes, relationships, stats };
  return gzipSync(JSON.stringify(half, null, 2));
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-thread-'));
  whole = largeHalf();
  expect(whole.length).toBeGreaterThan(1024 * 1024);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function options(told: number[] = []): GraphHalfOptions {
  return {
    excludedTypes: new Set(['MetaPattern']),
    contents: true,
    onBytes: (bytes) => told.push(bytes),
  };
}

const beside = (archive: Archive, file = whole, more = options(), signal?: AbortSignal): Promise<GraphHalf> =>
  readGraphHalfBeside(archive, { path: PATH, bytes: file.length }, more, signal);

const here = (archive: Archive, file = whole, more = options()): Promise<GraphHalf> =>
  readGraphHalf(archive, { path: PATH, bytes: file.length }, more);

/** Everything but the Failure, which is another object on the other thread. */
const facts = ({ failure, ...half }: GraphHalf): object => ({
  ...half,
  failure: failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint },
});

describe('a graph half that is read on a thread of its own', () => {
  it('is found to be what it is on this one', async () => {
    const archive = memoryArchive({ [PATH]: whole });
    const [told, toldBeside]: [number[], number[]] = [[], []];
    const expected = facts(await here(archive, whole, options(told)));
    expect(facts(await beside(archive, whole, options(toldBeside)))).toEqual(expected);
    expect(expected).toMatchObject({ nodes: 6_000, memories: 5_940, relationships: 2_000 });
    expect(expected).toMatchObject({ problems: [{ code: 'relationship-dangling', count: 1 }] });
    const sum = (all: number[]): number => all.reduce((total, bytes) => total + bytes, 0);
    expect(sum(toldBeside)).toBe(sum(told));
  });

  it('tells of damage as this one does, with what was read before it', async () => {
    for (const damaged of [whole.subarray(0, -200_000), Buffer.from(whole).fill(0xaa, 700_000, 700_050)]) {
      const archive = memoryArchive({ [PATH]: damaged });
      const found = await beside(archive, damaged);
      expect(found.failure?.code).toMatch(/^backup-(truncated|corrupt|not-json)$/);
      expect(facts(found)).toEqual(facts(await here(archive, damaged)));
    }
  });

  it('hands on why the archive gives it nothing more', async () => {
    const failure = new Failure({
      ...{ operation: 'read', subject: 's3://b', reason: 'it is gone', hint: 'Wait.', code: 'archive-gone' },
      exitCode: ExitCode.unreachable,
    });
    const refusing = { ...memoryArchive({}), open: () => Promise.reject(failure) };
    expect((await beside(refusing)).failure).toBe(failure);
    const breaking = { ...memoryArchive({}), open: () => Promise.resolve(Readable.from(broken(failure))) };
    expect((await beside(breaking)).failure).toBe(failure);
  });

  it('throws what is no failure, and the reason of a signal', async () => {
    const bug = new TypeError('a bug');
    const refusing = { ...memoryArchive({}), open: () => Promise.reject(bug) };
    await expect(beside(refusing)).rejects.toBe(bug);
    const archive = memoryArchive({ [PATH]: whole });
    const reason = new Error('enough');
    const stop = new AbortController();
    const stopping = { ...options(), onBytes: () => stop.abort(reason) };
    await expect(beside(archive, whole, stopping, stop.signal)).rejects.toBe(reason);
    await expect(beside(archive, whole, options(), stop.signal)).rejects.toBe(reason);
    const throwing: GraphHalfOptions = {
      ...options(),
      onBytes: () => {
        throw reason;
      },
    };
    await expect(beside(archive, whole, throwing)).rejects.toBe(reason);
  });

  it('is given no more than it has read', async () => {
    let given = 0;
    let closed = false;
    async function* slowly(): AsyncGenerator<Buffer> {
      try {
        for (let at = 0; at < whole.length; at += 16_384) {
          await Promise.resolve();
          given++;
          yield whole.subarray(at, at + 16_384);
        }
      } finally {
        closed = true;
      }
    }
    const archive = {
      ...memoryArchive({}),
      open: () => Promise.resolve(Readable.from(slowly(), { highWaterMark: 1 })),
    };
    const stop = new AbortController();
    let read = 0;
    const stopping = {
      ...options(),
      onBytes: (bytes: number) => {
        read += bytes;
        if (read > 500_000) stop.abort(new Error('enough'));
      },
    };
    await expect(beside(archive, whole, stopping, stop.signal)).rejects.toThrow('enough');
    expect(given).toBeLessThan(whole.length / 16_384);
    await expect.poll(() => closed).toBe(true);
  });
});

async function* broken(failure: Failures.Failure): AsyncGenerator<Buffer> {
  yield await Promise.resolve(whole.subarray(0, 300_000));
  throw failure;
}
