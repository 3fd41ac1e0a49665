import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { writableLocalArchive } from '../../src/stores/archive/local-writer.js';
import { folderWith } from '../support/archive-files.js';
import { unprivileged } from '../support/unprivileged.js';
import { contentOf, paths, put, writeContract } from './archive-write-contract.js';

const GRAPH = 'falkordb/falkordb_20261121_110916.json.gz';
const CHILD = fileURLToPath(new URL('../support/archive-child.ts', import.meta.url));

type Write = (
  buffer: Buffer,
  at: number,
  length: number,
  position: number,
) => Promise<{ bytesWritten: number; buffer: Buffer }>;

/** What disks say that no test has at hand; null leaves it to the real one. */
const disk = vi.hoisted(() => ({
  write: null as string | null,
  sync: null as string | null,
  open: null as string | null,
  link: null as string | null,
}));
const says = vi.hoisted(() => (code: string | null): void => {
  if (code !== null) throw Object.assign(new Error(code), { code });
});
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof FileSystem>();
  const open: typeof FileSystem.open = async (path, flags, mode) => {
    if (flags !== 'wx') return real.open(path, flags, mode);
    says(disk.open);
    const handle = await real.open(path, flags, mode);
    const write = handle.write.bind(handle) as Write;
    const sync = handle.sync.bind(handle);
    // A disk that runs full takes a part first.
    const half: Write = (buffer, at, length, position) => {
      if (disk.write === null) return write(buffer, at, length, position);
      if (length < 100) says(disk.write);
      return write(buffer, at, Math.ceil(length / 2), position);
    };
    handle.write = half as typeof handle.write;
    handle.sync = async () => {
      says(disk.sync);
      await sync();
    };
    return handle;
  };
  const link: typeof FileSystem.link = async (...names) => {
    says(disk.link);
    await real.link(...names);
  };
  return { ...real, open, link };
});

const folders: string[] = [];
afterEach(() => {
  Object.assign(disk, { write: null, sync: null, open: null, link: null });
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function empty(files: Record<string, string> = {}): string {
  const root = folderWith(files);
  folders.push(root);
  return root;
}

/** Every file under a folder. */
function everything(root: string): string[] {
  return readdirSync(root, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

writeContract('a local folder', () => {
  const root = empty();
  return Promise.resolve({
    archive: writableLocalArchive(root),
    where: root,
    everything: () => Promise.resolve(everything(root)),
  });
});

describe('a local folder that is written to', () => {
  it('is made with the first file, for this user alone', async () => {
    const root = join(empty(), 'not', 'there');
    await put(writableLocalArchive(root), GRAPH, Buffer.from('x'));
    const modes = [root, join(root, 'falkordb'), join(root, GRAPH)].map(
      (path) => statSync(path).mode & 0o777,
    );
    expect(modes).toEqual([0o700, 0o700, 0o600]);
  });

  it('keeps its permissions, and may hold a link to a folder elsewhere', async () => {
    const root = empty();
    const elsewhere = empty();
    chmodSync(root, 0o750);
    symlinkSync(elsewhere, join(root, 'falkordb'));
    await put(writableLocalArchive(root), GRAPH, Buffer.from('x'));
    expect(statSync(root).mode & 0o777).toBe(0o750);
    expect(readdirSync(elsewhere)).toEqual([GRAPH.split('/')[1]]);
  });

  it('loses what dead attempts left after a day; younger ones and other files stay', async () => {
    const [dead, young, foreign] = [
      'falkordb/.falkordb_20261119_030000.json.gz.0123456789abcdef.partial',
      'falkordb/.falkordb_20261120_030000.json.gz.0123456789abcdef.partial',
      'falkordb/.notes.partial',
    ] as const;
    const root = empty({ [dead]: 'x', [young]: 'x', [foreign]: 'x' });
    for (const path of [dead, foreign]) utimesSync(join(root, path), new Date(0), new Date(0));
    const archive = writableLocalArchive(root);
    expect(await paths(archive)).toEqual([foreign]);
    await put(archive, GRAPH, Buffer.from('x'));
    expect(everything(root)).toEqual([young, foreign, GRAPH]);
    expect(await paths(archive)).toEqual([foreign, GRAPH]);
  });

  it('says before any work that it may not write', async () => {
    const root = empty({ [GRAPH]: 'x' });
    // Not even their owner may write.
    for (const folder of [join(root, 'falkordb'), root]) chmodSync(folder, 0o555);
    const archive = writableLocalArchive(root);
    await unprivileged(async () => {
      const denied = { name: 'Failure', code: 'archive-write-denied', reason: 'permission denied' };
      await expect(archive.create('falkordb/other')).rejects.toMatchObject(denied);
      await expect(archive.create('qdrant/other')).rejects.toMatchObject(denied);
      await expect(archive.remove(GRAPH)).rejects.toMatchObject({
        ...denied,
        operation: 'remove the backup file',
      });
    });
    for (const folder of [root, join(root, 'falkordb')]) chmodSync(folder, 0o755);
    expect(everything(root)).toEqual([GRAPH]);
  });

  it('says that a file is in the way of a folder, and a folder in the way of a file', async () => {
    const root = empty({ falkordb: 'a file', [`qdrant/x/y`]: 'in a folder' });
    const archive = writableLocalArchive(root);
    const unwritable = {
      code: 'archive-unwritable',
      reason: expect.stringContaining('not a folder') as string,
    };
    await expect(archive.create(GRAPH)).rejects.toMatchObject(unwritable);
    await expect(writableLocalArchive(join(root, 'falkordb')).create('x')).rejects.toMatchObject(unwritable);
    await expect(put(archive, 'qdrant/x', Buffer.from('x'), true)).rejects.toMatchObject({
      code: 'archive-unwritable',
      reason: 'a folder has this name',
    });
    await expect(archive.remove('qdrant/x')).rejects.toMatchObject({ reason: 'a folder has this name' });
    expect(everything(root)).toEqual(['falkordb', 'qdrant/x/y']);
  });

  it('that vanishes meanwhile fails the backup', async () => {
    const root = empty();
    const file = await writableLocalArchive(root).create(GRAPH);
    await file.write(Buffer.from('x'));
    rmSync(join(root, 'falkordb'), { recursive: true });
    await expect(file.commit()).rejects.toMatchObject({
      code: 'archive-unwritable',
      reason: 'its folder is gone',
    });
  });

  it('whose file something else cuts short meanwhile fails the backup', async () => {
    const root = empty();
    const file = await writableLocalArchive(root).create(GRAPH);
    await file.write(Buffer.from('0123456789'));
    writeFileSync(join(root, everything(root)[0] ?? ''), '0123');
    await expect(file.commit()).rejects.toMatchObject({ code: 'archive-unwritable' });
    expect(everything(root)).toEqual([]);
  });

  it.each([
    ['ENOSPC', 'archive-full', 'the disk is full'],
    ['EDQUOT', 'archive-full', 'the quota of this user is used up'],
    ['EIO', 'archive-unwritable', 'the disk does not take it (EIO)'],
  ])('that says %s in the middle fails the backup and leaves nothing', async (said, code, reason) => {
    const root = empty();
    for (const [when, size] of [
      ['write', 5000],
      ['sync', 50],
    ] as const) {
      disk[when] = said;
      const file = await writableLocalArchive(root).create(GRAPH);
      const failed = { name: 'Failure', code, reason, subject: join(root, GRAPH), exitCode: 1 };
      if (when === 'write') await expect(file.write(Buffer.alloc(size))).rejects.toMatchObject(failed);
      else await file.write(Buffer.alloc(size));
      disk.write = null;
      await expect(file.commit()).rejects.toMatchObject(failed);
      disk.sync = null;
      expect(everything(root)).toEqual([]);
    }
  });

  it('on a file system that is read-only says so before any work', async () => {
    disk.open = 'EROFS';
    const root = empty();
    await expect(writableLocalArchive(root).create(GRAPH)).rejects.toMatchObject({
      code: 'archive-read-only',
    });
  });

  it('with a limit for the size of files fails the backup and leaves nothing', async () => {
    const root = empty();
    const command = `ulimit -f 100; exec "$0" "$@"`;
    const args = ['--import', import.meta.resolve('tsx'), CHILD, GRAPH, '300000', root, 'commit'];
    const child = spawn('bash', ['-c', command, process.execPath, ...args], {
      env: { ...process.env, TSX_DISABLE_CACHE: '1', NODE_DISABLE_COMPILE_CACHE: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    child.kill('SIGKILL');
    expect(said.toString()).toMatch(/^archive-file-too-large: .*ulimit -f/);
    expect(await paths(writableLocalArchive(root))).toEqual([]);
  });

  it('without hard links gives names by renaming, and still overwrites nothing', async () => {
    disk.link = 'EPERM';
    const root = empty();
    const archive = writableLocalArchive(root);
    const late = await archive.create(GRAPH);
    await put(archive, GRAPH, Buffer.from('first'));
    await expect(late.commit()).rejects.toMatchObject({ code: 'archive-file-exists' });
    expect(String(await contentOf(archive, GRAPH))).toBe('first');
    expect(everything(root)).toEqual([GRAPH]);
  });

  it('takes a name from a link that leads nowhere as taken', async () => {
    const root = empty();
    mkdirSync(dirname(join(root, GRAPH)));
    symlinkSync('/nowhere/at/all', join(root, GRAPH));
    await expect(writableLocalArchive(root).create(GRAPH)).rejects.toMatchObject({
      code: 'archive-file-exists',
    });
  });
});

describe('what is no file and no folder', () => {
  it('a pipe in the place of a file is refused at once, and not waited for', async () => {
    const root = folderWith({});
    const path = join(root, 'lifeboat_20261121_110916.pinned.json');
    spawnSync('sh', ['-c', 'mkfifo "$0"', path]);
    const opened = writableLocalArchive(root).open('lifeboat_20261121_110916.pinned.json');
    await expect(opened).rejects.toMatchObject({ code: 'archive-file-unusable' });
    rmSync(root, { recursive: true });
  });

  it('a folder below /proc is refused, and not tried for ever', async () => {
    const created = writableLocalArchive('/proc/lifeboat/backups').create(GRAPH);
    await expect(created).rejects.toMatchObject({ name: 'Failure', exitCode: 1 });
  });
});
