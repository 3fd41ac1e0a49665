import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { readAll } from '../../src/stores/archive/archive.js';
import type { WritableArchive } from '../../src/stores/archive/writable.js';

const CHILD = fileURLToPath(new URL('../support/archive-child.ts', import.meta.url));

/** A place that a test writes to, empty at first. */
export interface WritablePlace {
  archive: WritableArchive;
  /** What a process of its own opens it by. */
  where: string;
  /** All there is, whole or not, by whatever name. */
  everything: () => Promise<string[]>;
}

/** Writes one file at once. */
export async function put(
  archive: WritableArchive,
  path: string,
  content: Buffer,
  replace = false,
): Promise<number> {
  const file = await archive.create(path, { replace });
  await file.write(content);
  return (await file.commit()).bytes;
}

export async function paths(archive: WritableArchive): Promise<string[]> {
  return (await archive.list()).map(({ path }) => path);
}

export async function contentOf(archive: WritableArchive, path: string): Promise<Buffer> {
  return readAll(await archive.open(path));
}

/** Runs archive-child.ts until it says something, and kills it. */
async function killedChild(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), CHILD, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  child.kill('SIGKILL');
  await ended;
  return said.toString();
}

/** What every place must do that backups are written to. @param make gives an empty one */
export function writeContract(name: string, make: () => Promise<WritablePlace>): void {
  describe(`${name} keeps the contract of writing`, () => {
    const graph = (base: string): string => `${base}falkordb/falkordb_20261121_110916.json.gz`;

    it('shows a file with its commit, and not before', async () => {
      const { archive } = await make();
      const path = graph(archive.base);
      const file = await archive.create(path);
      expect(file.path).toBe(path);
      await file.write(Buffer.from('one '));
      await file.write(Buffer.alloc(0));
      await file.write(Buffer.from('two'));
      expect(await paths(archive).catch(() => [])).toEqual([]);
      await expect(archive.open(path)).rejects.toMatchObject({ code: 'archive-file-missing' });
      expect(await file.commit()).toEqual({ bytes: 7 });
      await file.abandon();
      expect(String(await contentOf(archive, path))).toBe('one two');
      expect((await archive.list()).map((entry) => [entry.path, entry.bytes])).toEqual([[path, 7]]);
    });

    it('lists encrypted files, manifests and notes like any other, and nothing else that lies beside them', async () => {
      const { archive } = await make();
      const names = [
        `${archive.base}falkordb/falkordb_20261121_110916.json.gz.age`,
        `${archive.base}lifeboat_20261121_110916.manifest.json`,
        `${archive.base}lifeboat_20261121_110916.verified.json`,
        `${archive.base}qdrant/qdrant_20261121_110916.json.gz`,
      ];
      for (const path of [...names, `${archive.base}lifeboat/lease.json`, `${archive.base}lifeboat_x/file`])
        await put(archive, path, Buffer.from('x'));
      expect(await paths(archive)).toEqual(names);
    });

    it('takes 20 MiB in pieces of any size, without a byte more or less', async () => {
      const { archive, everything } = await make();
      const path = graph(archive.base);
      const content = randomBytes(20 * 1024 * 1024 + 3);
      const file = await archive.create(path);
      for (let at = 0, size = 1; at < content.length; at += size, size = (size * 7 + 1) % 3_000_017)
        await file.write(content.subarray(at, at + size));
      expect(await paths(archive).catch(() => [])).toEqual([]);
      expect(await file.commit()).toEqual({ bytes: content.length });
      expect((await contentOf(archive, path)).equals(content)).toBe(true);
      expect(await everything()).toEqual([path]);
    });

    it.each([0, 1, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1])('takes a file of %i bytes', async (bytes) => {
      const { archive, everything } = await make();
      const path = graph(archive.base);
      expect(await put(archive, path, Buffer.alloc(bytes, 7))).toBe(bytes);
      expect((await contentOf(archive, path)).equals(Buffer.alloc(bytes, 7))).toBe(true);
      expect(await everything()).toEqual([path]);
    });

    it.each([10, 20 * 1024 * 1024])(
      'leaves nothing of an attempt of %i bytes that is abandoned',
      async (size) => {
        const { archive, everything } = await make();
        const file = await archive.create(graph(archive.base));
        await file.write(Buffer.alloc(size));
        await file.abandon();
        await file.abandon();
        expect(await everything()).toEqual([]);
        await expect(file.write(Buffer.from('x'))).rejects.toThrow('abandoned already');
        await expect(file.commit()).rejects.toThrow('abandoned already');
      },
    );

    it('leaves nothing to be seen of an attempt that is killed, and the next one succeeds', async () => {
      const { archive, where } = await make();
      const path = graph(archive.base);
      expect(await killedChild(path, String(9 * 1024 * 1024), where)).toBe('written\n');
      expect(await paths(archive)).toEqual([]);
      await put(archive, path, Buffer.from('whole'));
      expect(await paths(archive)).toEqual([path]);
      expect(String(await contentOf(archive, path))).toBe('whole');
    });

    it('never overwrites a backup: not what was there, nor what came meanwhile', async () => {
      const { archive, everything } = await make();
      const path = graph(archive.base);
      const slow = await archive.create(path);
      const large = await archive.create(path);
      await large.write(Buffer.alloc(9 * 1024 * 1024));
      await put(archive, path, Buffer.from('first'));
      for (const late of [slow, large])
        await expect(late.commit()).rejects.toMatchObject({ name: 'Failure', code: 'archive-file-exists' });
      await expect(archive.create(path)).rejects.toMatchObject({ code: 'archive-file-exists', exitCode: 1 });
      expect(String(await contentOf(archive, path))).toBe('first');
      expect(await everything()).toEqual([path]);
    });

    it('replaces a note where it is told to, and keeps the old one until then', async () => {
      const { archive, everything } = await make();
      const path = `${archive.base}lifeboat_20261121_110916.verified.json`;
      for (const content of ['old', 'new']) await put(archive, path, Buffer.from(content), true);
      expect(String(await contentOf(archive, path))).toBe('new');
      const file = await archive.create(path, { replace: true });
      await file.write(Buffer.from('newer'));
      await file.abandon();
      expect(String(await contentOf(archive, path))).toBe('new');
      expect(await everything()).toEqual([path]);
    });

    it('says whether it takes a file, and leaves nothing of the trial', async () => {
      const { archive, everything } = await make();
      const before = await everything().catch(() => null);
      const free = await archive.tryOut(graph(archive.base));
      expect(free === null || free > 0).toBe(true);
      expect(await everything().catch(() => null)).toEqual(before);
      await expect(archive.tryOut('../elsewhere')).rejects.toMatchObject({ name: 'Failure' });
    });

    it('removes a file, and minds nothing that is not there', async () => {
      const { archive } = await make();
      const path = graph(archive.base);
      await put(archive, path, Buffer.from('x'));
      expect(await archive.lockedUntil(path)).toBeNull();
      await archive.remove(path);
      await archive.remove(path);
      expect(await archive.lockedUntil(path)).toBeNull();
      expect(await paths(archive)).toEqual([]);
    });

    it.each([
      '../x',
      '/etc/x',
      'falkordb/../../x',
      '',
      'falkordb//x',
      'falkordb/.hidden',
      'a\\b',
      'a\u0000b',
      'qdrant/',
    ])('writes and removes nothing at %j', async (path) => {
      const { archive, everything } = await make();
      const attempts: (() => Promise<unknown>)[] = [
        () => archive.create(path),
        () => archive.create(`${archive.base}${path}`, { replace: true }),
        () => archive.remove(path),
      ];
      for (const attempt of attempts)
        await expect(attempt()).rejects.toMatchObject({ code: 'archive-file-unusable' });
      expect(await everything()).toEqual([]);
    });
  });
}
