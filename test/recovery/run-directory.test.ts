import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Failure } from '../../src/failure.js';
import { Double } from '../../src/memory/values.js';
import { newRunId, RunDirectory } from '../../src/recovery/run-directory.js';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'lifeboat-run-'));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

const create = (run = 'run-1'): Promise<RunDirectory> => RunDirectory.create(state, run);
const lines = (directory: RunDirectory, name: string): unknown[] =>
  readFileSync(join(directory.path, name), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);

async function failure(promise: Promise<unknown>): Promise<Failure> {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Failure)) throw error;
  return error;
}

describe('newRunId', () => {
  it('begins with the time, so that folders sort, and never repeats', () => {
    const now = new Date('2026-11-21T12:34:56.789Z');
    const ids = Array.from({ length: 100 }, () => newRunId(now));
    for (const id of ids) expect(id).toMatch(/^20261121-123456-[0-9a-f]{6}$/);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('RunDirectory', () => {
  it('makes a folder that only its owner can look into', async () => {
    const { path } = await create();
    expect(path).toBe(join(state, 'runs', 'run-1'));
    expect(statSync(path).mode & 0o777).toBe(0o700);
    await expect(create()).resolves.toMatchObject({ path });
  });

  it('appends records in order, one a line, to files that appear with their first record', async () => {
    const directory = await create();
    expect(directory.files()).toEqual({});
    for (let i = 0; i < 5000; i++) directory.append('journal.ndjson', { i, text: 'a\nb\u2028' });
    directory.append('quarantine.ndjson', { reason: 'x' });
    await directory.close();
    expect(lines(directory, 'journal.ndjson')).toEqual(
      Array.from({ length: 5000 }, (_, i) => ({ i, text: 'a\nb\u2028' })),
    );
    expect(lines(directory, 'quarantine.ndjson')).toEqual([{ reason: 'x' }]);
    expect(directory.files()).toEqual({
      journal: join(directory.path, 'journal.ndjson'),
      quarantine: join(directory.path, 'quarantine.ndjson'),
    });
    expect(statSync(join(directory.path, 'journal.ndjson')).mode & 0o777).toBe(0o600);
  });

  it('goes on where an earlier process stopped', async () => {
    for (const record of ['first', 'second']) {
      const directory = await create();
      directory.append('journal.ndjson', record);
      await directory.close();
    }
    expect(lines(await create(), 'journal.ndjson')).toEqual(['first', 'second']);
  });

  it('writes records with numbers that JSON does not have', async () => {
    const directory = await create();
    const record = {
      double: new Double(1),
      huge: new Double(1e22),
      nan: new Double(NaN),
      infinite: [new Double(-Infinity)],
      integer: 2n ** 60n,
      plain: 0.5,
    };
    directory.append('quarantine.ndjson', record);
    await directory.close();
    expect(lines(directory, 'quarantine.ndjson')).toEqual([
      {
        double: 1,
        huge: 1e22,
        nan: 'NaN',
        infinite: ['-Infinity'],
        integer: '1152921504606846976',
        plain: 0.5,
      },
    ]);
  });

  it('writes records whose keys mean something to JavaScript', async () => {
    const directory = await create();
    const text = '{"constructor":null,"__proto__":{"a":1},"hasOwnProperty":1,"value":"x"}';
    directory.append('quarantine.ndjson', JSON.parse(text));
    directory.append('quarantine.ndjson', Object.create(null));
    directory.append('quarantine.ndjson', { half: '\ud800' });
    await directory.close();
    expect(readFileSync(join(directory.path, 'quarantine.ndjson'), 'utf8')).toBe(
      `${text}\n{}\n{"half":"\\ud800"}\n`,
    );
  });

  it('writes whole texts and says where', async () => {
    const directory = await create();
    const path = await directory.write('report.txt', 'first');
    expect(path).toBe(join(directory.path, 'report.txt'));
    await directory.write('report.txt', 'é');
    expect(readFileSync(path, 'utf8')).toBe('é');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('closes without records, and twice', async () => {
    const directory = await create();
    await directory.close();
    directory.append('journal.ndjson', 1);
    await directory.close();
    await directory.close();
    expect(lines(directory, 'journal.ndjson')).toEqual([1]);
  });

  it('says where no folder can be made', async () => {
    writeFileSync(join(state, 'runs'), 'a file in the way');
    const found = await failure(create());
    expect(found).toMatchObject({ code: 'run-folder', exitCode: 1, subject: join(state, 'runs', 'run-1') });
    expect(found.hint).toContain('LIFEBOAT_STATE');
    expect(found.cause).toBeInstanceOf(Error);
  });

  it('says which text could not be written', async () => {
    const directory = await create();
    mkdirSync(join(directory.path, 'report.txt'));
    expect(await failure(directory.write('report.txt', 'x'))).toMatchObject({
      code: 'run-folder',
      subject: join(directory.path, 'report.txt'),
      reason: expect.stringContaining('EISDIR') as string,
    });
  });

  it('says at the end which records could not be written, and brings the other files to theirs', async () => {
    const directory = await create();
    mkdirSync(join(directory.path, 'quarantine.ndjson'));
    for (let i = 0; i < 100; i++) {
      directory.append('quarantine.ndjson', { i });
      directory.append('journal.ndjson', { i });
      // Lets the error arrive while records still come.
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await failure(directory.close())).toMatchObject({
      code: 'run-folder',
      exitCode: 1,
      subject: join(directory.path, 'quarantine.ndjson'),
      reason: expect.stringContaining('EISDIR') as string,
    });
    expect(lines(directory, 'journal.ndjson')).toHaveLength(100);
  });
});
