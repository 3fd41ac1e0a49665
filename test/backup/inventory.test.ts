import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

import { mapAtMost } from '../../src/backup/inventory/at-most.js';
import { decideBackups, type BackupDecision, type Holds } from '../../src/backup/inventory/decide-backups.js';
import { takeInventory } from '../../src/backup/inventory/inventory.js';
import { removeCopies, type RemoveOptions } from '../../src/backup/inventory/remove-copies.js';
import { writableLocalArchive } from '../../src/stores/archive/local-writer.js';
import type { Archive } from '../../src/stores/archive/archive.js';
import { ExitCode, Failure } from '../../src/failure.js';
import { folderWith } from '../support/archive-files.js';
import { policyOf } from './keep/candidates.js';
import { hoursBefore, notesAsSeen, pairFiles, type PairSpec } from './pair-files.js';

const NOW = new Date('2026-11-21T12:00:00Z');
const at = (hours: number): string => hoursBefore(NOW, hours);
const FREE: Holds = { inUse: () => [], lockedUntil: () => null };

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder with pairs, each so many hours old. */
function folder(
  pairs: readonly [hours: number, spec?: PairSpec][],
  more: Record<string, Buffer> = {},
): string {
  const files = Object.assign(
    {},
    ...pairs.map(([hours, spec]) => pairFiles(at(hours), spec)),
    more,
  ) as object;
  const root = folderWith(files as Record<string, Buffer>);
  folders.push(root);
  notesAsSeen(root);
  return root;
}

const place = (...args: Parameters<typeof folder>): ReturnType<typeof writableLocalArchive> =>
  writableLocalArchive(folder(...args));

const down: Archive = {
  place: 's3://away',
  list: () =>
    Promise.reject(
      new Failure({
        ...{ operation: 'list the backups', subject: 's3://away', reason: 'it does not answer', hint: '' },
        ...{ exitCode: ExitCode.unreachable, code: 's3-unreachable' },
      }),
    ),
  open: () => Promise.reject(new Error('it was not listed')),
};

const removedOf = (decisions: readonly BackupDecision[]): string[] =>
  decisions.filter(({ action }) => action === 'remove').map(({ backup }) => backup.timestamp);
const rulesOf = (decisions: readonly BackupDecision[], hours: number): string[] =>
  decisions.find(({ backup }) => backup.timestamp === at(hours))?.reasons.map(({ rule }) => rule) ?? [];

describe('an inventory', () => {
  it('joins the copies of a backup, and tells what is known of each', async () => {
    const pinned = { pinned: 'before the move', verified: { level: 'full', ok: true } } as const;
    const one = place([
      [2],
      [30, pinned],
      [50, { manifest: false }],
      [60, { only: 'graph', encrypted: true }],
    ]);
    const two = place([[2], [70, { without: 'vectors' }]]);
    const { backups: pairs, places } = await takeInventory([one, two], NOW);
    expect(pairs.map(({ timestamp }) => timestamp)).toEqual([2, 30, 50, 60, 70].map(at));
    expect(pairs.map(({ copies }) => copies.length)).toEqual([2, 1, 1, 1, 1]);
    expect(pairs.map(({ complete }) => complete)).toEqual([true, true, true, true, false]);
    expect(pairs[0]).toMatchObject({
      ...{ ageSeconds: 7200, fromFuture: false, broken: null, hasManifest: true, only: null, verified: null },
      counts: { memories: 120, relationships: 45, points: 118 },
    });
    expect(pairs[1]).toMatchObject({
      pinned: { by: 'ada@host', reason: 'before the move' },
      verified: { newest: { level: 'full', ok: true }, best: { level: 'full' } },
    });
    expect(pairs[2]).toMatchObject({ hasManifest: false, counts: null });
    expect(pairs[3]).toMatchObject({ only: 'graph', encrypted: true, counts: { points: null } });
    expect(pairs[4]?.broken).toContain('the vectors half is missing');
    expect(places.map(({ failure }) => failure)).toEqual([null, null]);
  });

  it('names the place that cannot be reached, and shows the others', async () => {
    const missing = writableLocalArchive('/nowhere/at/all');
    const { backups: pairs, places } = await takeInventory([place([[1]]), down, missing], NOW);
    expect(pairs).toHaveLength(1);
    expect(places.map(({ failure }) => failure?.code ?? null)).toEqual([null, 's3-unreachable', null]);
    expect(places.at(-1)?.missing).toBe('the folder is not there');
  });

  it('does not believe what is not so: sizes, manifests, notes of other files, pins that cannot be read', async () => {
    const root = folder([
      [1],
      [2, { verified: { level: 'full', ok: true } }],
      [3],
      [4, { verified: { level: 'full', ok: false } }],
    ]);
    writeFileSync(join(root, `qdrant/qdrant_${at(1)}.json.gz`), 'short');
    for (const [path, content] of Object.entries(pairFiles(at(2), { seed: 'another' })))
      writeFileSync(join(root, path), content);
    const manifest = join(root, `lifeboat_${at(3)}.manifest.json`);
    writeFileSync(
      manifest,
      pairFiles(at(3))[`lifeboat_${at(3)}.manifest.json`]?.toString().replace('120', '121') ?? '',
    );
    writeFileSync(join(root, `lifeboat_${at(3)}.pinned.json`), '{"at": "2026');
    const { backups: pairs } = await takeInventory([writableLocalArchive(root)], NOW);
    expect(pairs[0]?.broken).toContain('has 5 bytes where the manifest says');
    expect(pairs[1]).toMatchObject({ complete: true, verified: null });
    expect(pairs[2]).toMatchObject({ complete: true, counts: null, pinned: { reason: null } });
    expect(pairs[2]?.copies[0]?.warning).toContain('was changed');
    expect(pairs[3]).toMatchObject({ complete: false, broken: 'a verification did not pass' });
  });

  it('tells what lies elsewhere apart, and leaves other names alone', async () => {
    const others = {
      'notes.txt': Buffer.from('x'),
      'falkordb/falkordb_latest.json.gz': Buffer.from('x'),
      [`falkordb/falkordb_${at(9)}.json.gz.bak`]: Buffer.from('x'),
      [`lifeboat_${at(9)}.other.manifest.json`]: Buffer.from('x'),
      [`sqlite/sqlite_${at(9)}.json.gz`]: Buffer.from('x'),
    };
    const archive = place([[1], [5, { base: 'automem-backups/' }]], others);
    const { backups: pairs } = await takeInventory([archive], NOW);
    expect(pairs.map(({ timestamp, copies }) => [timestamp, copies[0]?.isOwn, copies[0]?.place])).toEqual([
      [at(1), true, archive.place],
      [at(5), false, `${archive.place}/automem-backups`],
    ]);
  });
});

describe('deciding on an inventory', () => {
  const last = (keepLast: number): ReturnType<typeof policyOf> => policyOf({ keepLast, minimum: 1 });

  it('decides on a backup once for all places', async () => {
    const inventory = await takeInventory([place([[1], [2], [3]]), place([[1], [2], [3]])], NOW);
    const decisions = decideBackups(inventory, last(2), FREE, NOW);
    expect(removedOf(decisions)).toEqual([at(3)]);
    expect(decisions.at(-1)?.copies).toHaveLength(2);
  });

  it('guards the newest at each place by itself', async () => {
    const full = { verified: { level: 'full', ok: true } } as const;
    const inventory = await takeInventory([place([[1, full], [2], [3]]), place([[2], [3], [4]])], NOW);
    const decisions = decideBackups(inventory, last(1), FREE, NOW);
    expect(removedOf(decisions)).toEqual([at(3), at(4)]);
    expect(rulesOf(decisions, 2)).toContain('newest-complete');
  });

  it('guards what was read in full where the newest was only looked at, and both stores beside one alone', async () => {
    const full = { verified: { level: 'full', ok: true } } as const;
    const quick = { verified: { level: 'quick', ok: true } } as const;
    const archive = place([[1, { only: 'graph' }], [2, quick], [3, full], [4], [5, full]]);
    const decisions = decideBackups(await takeInventory([archive], NOW), last(1), FREE, NOW);
    expect(removedOf(decisions)).toEqual([at(4), at(5)]);
  });

  it('keeps a damaged backup as long as a whole one: it may be worth salvaging', async () => {
    const failed = { verified: { level: 'full', ok: false } } as const;
    const archive = place([[1], [30, failed], [60, { without: 'graph' }], [90, failed]]);
    const inventory = await takeInventory([archive], NOW);
    const decisions = decideBackups(inventory, last(2), FREE, NOW);
    expect(removedOf(decisions)).toEqual([at(60), at(90)]);
    expect(decisions[1]?.reasons.at(-1)?.says).toContain('damaged');
  });

  it('takes a backup for verified where one copy is, and never for the sake of a copy that failed', async () => {
    const full = { verified: { level: 'full', ok: true } } as const;
    const failed = { verified: { level: 'full', ok: false } } as const;
    const older: [number, PairSpec?] = [5, full];
    const good = await takeInventory([place([[1, failed], older]), place([[1, full], older])], NOW);
    const decisions = decideBackups(good, last(1), FREE, NOW);
    expect(rulesOf(decisions, 1)).toContain('newest-verified');
    // Where the newest failed, the older one is the good one, and stays.
    expect(rulesOf(decisions, 5)).toEqual(['newest-verified', 'minimum']);
    const bad = await takeInventory([place([[1, failed], older]), place([[1, failed], older])], NOW);
    expect(rulesOf(decideBackups(bad, last(1), FREE, NOW), 1)).not.toContain('newest-verified');
    const none = await takeInventory([place([[1, failed], [5]]), place([[1], [5]])], NOW);
    const rules = decideBackups(none, last(1), FREE, NOW);
    expect([rulesOf(rules, 1), rulesOf(rules, 5)]).toEqual([
      expect.arrayContaining(['newest-complete']),
      ['newest-complete', 'minimum'],
    ]);
  });

  it('keeps what is pinned, used or locked everywhere; a lock at one place holds there', async () => {
    const specs: [number, PairSpec?][] = [[1], [2, { pinned: 'why' }], [3], [4], [5]];
    const inventory = await takeInventory([place(specs), place(specs)], NOW);
    const holds: Holds = {
      inUse: (timestamp) => (timestamp === at(3) ? ['run-1'] : []),
      lockedUntil: ({ timestamp, archive }) => {
        if (timestamp === at(4)) return 'hold';
        return timestamp === at(5) && archive === inventory.places[1]?.archive
          ? '2040-01-01T00:00:00Z'
          : null;
      },
    };
    const decisions = decideBackups(inventory, last(1), holds, NOW);
    expect(removedOf(decisions)).toEqual([at(5)]);
    expect(decisions.flatMap(({ reasons }) => reasons.map(({ says }) => says))).toEqual(
      expect.arrayContaining(['pinned: why', 'in use by run-1', 'under a legal hold']),
    );
  });
});

describe('removing', () => {
  const options: RemoveOptions = { inUse: () => [], lockedUntil: () => null, now: NOW };
  const names = async (archive: Archive): Promise<string[]> => (await archive.list()).map(({ path }) => path);
  const decided = async (archive: Archive, keepLast = 1): Promise<BackupDecision[]> =>
    decideBackups(await takeInventory([archive], NOW), policyOf({ keepLast, minimum: 1 }), FREE, NOW);

  it('takes all files of a pair, the halves before the manifest, and no others', async () => {
    const spec = { verified: { level: 'full', ok: true } } as const;
    const archive = place(
      [
        [1, spec],
        [2, spec],
      ],
      { [`lifeboat_${at(2)}.sqlite.manifest.json`]: Buffer.from('x') },
    );
    const order: string[] = [];
    const watched = {
      ...archive,
      remove: (path: string) => (order.push(path), archive.remove(path)),
    };
    const removed = await removeCopies(watched, await decided(watched), options);
    expect(removed).toMatchObject([{ timestamp: at(2), outcome: 'removed', failure: null }]);
    expect(order.map((path) => path.replace(/_\d{8}_\d{6}/, ''))).toEqual([
      'qdrant/qdrant.json.gz',
      'falkordb/falkordb.json.gz',
      'lifeboat.verified.json',
      'lifeboat.manifest.json',
    ]);
    expect(await names(archive)).toEqual(
      [
        ...Object.keys(pairFiles(at(1), spec)).filter((path) => !path.startsWith('lifeboat')),
        `lifeboat_${at(1)}.manifest.json`,
        `lifeboat_${at(1)}.verified.json`,
        `lifeboat_${at(2)}.sqlite.manifest.json`,
      ].sort(),
    );
  });

  it('leaves nothing that looks whole when it breaks off, and the next time takes the rest', async () => {
    for (const breaksAt of [1, 2, 3]) {
      const archive = place([[1], [50]]);
      let count = 0;
      const broken = new Failure({
        ...{ operation: 'remove', subject: 'x', reason: 'the disk is gone', hint: '' },
        ...{ exitCode: ExitCode.failed, code: 'archive-unwritable' },
      });
      const failing = {
        ...archive,
        remove: (path: string) => (++count >= breaksAt ? Promise.reject(broken) : archive.remove(path)),
      };
      const first = await removeCopies(failing, await decided(failing), options);
      expect(first).toMatchObject([{ outcome: 'failed', failure: { reason: 'the disk is gone' } }]);
      const after = await takeInventory([archive], NOW);
      if (breaksAt > 1) expect(after.backups[1]).toMatchObject({ timestamp: at(50), complete: false });
      await removeCopies(archive, await decided(archive), options);
      expect((await names(archive)).filter((path) => path.includes(at(50)))).toEqual([]);
    }
  });

  it('asks again right before: what was pinned, changed or taken into use meanwhile stays', async () => {
    const root = folder([[1], [2], [3], [4], [5]]);
    const archive = writableLocalArchive(root);
    const decisions = await decided(archive);
    writeFileSync(join(root, `lifeboat_${at(2)}.pinned.json`), '{}');
    writeFileSync(join(root, `falkordb/falkordb_${at(3)}.json.gz`), 'another file');
    for (const path of Object.keys(pairFiles(at(5)))) rmSync(join(root, path));
    const removed = await removeCopies(archive, decisions, {
      ...options,
      inUse: (timestamp) => (timestamp === at(4) ? ['run-1'] : []),
    });
    expect(removed.map(({ timestamp, outcome }) => [timestamp, outcome])).toEqual([
      [at(5), 'gone'],
      [at(4), 'in-use'],
      [at(3), 'changed'],
      [at(2), 'pinned'],
    ]);
  });

  it('removes nothing where what was to be kept is gone', async () => {
    const root = folder([[1], [2]]);
    const archive = writableLocalArchive(root);
    const decisions = await decided(archive);
    rmSync(join(root, `falkordb/falkordb_${at(1)}.json.gz`));
    await expect(removeCopies(archive, decisions, options)).rejects.toMatchObject({ code: 'backup-changed' });
    expect(await names(archive)).toContain(`falkordb/falkordb_${at(2)}.json.gz`);
  });

  it('twice at the same time does what once does', async () => {
    const archive = place([[1], [2], [3], [4]]);
    const decisions = await decided(archive);
    const both = await Promise.all([
      removeCopies(archive, decisions, options),
      removeCopies(archive, decisions, options),
    ]);
    expect(both.flat().every(({ failure }) => failure === null)).toBe(true);
    expect((await takeInventory([archive], NOW)).backups.map(({ timestamp }) => timestamp)).toEqual([at(1)]);
  });
});

describe('doing so many at a time', () => {
  it('keeps the order, never begins more, and stops at the first error', async () => {
    let under = 0;
    let most = 0;
    const results = await mapAtMost([30, 10, 20, 5, 1], 2, async (ms) => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, ms));
      under--;
      return ms;
    });
    expect(results).toEqual([30, 10, 20, 5, 1]);
    expect(most).toBe(2);
    const begun: number[] = [];
    const failing = mapAtMost([1, 2, 3, 4], 1, (n) => {
      begun.push(n);
      return n === 2 ? Promise.reject(new Error('two')) : Promise.resolve(n);
    });
    await expect(failing).rejects.toThrow('two');
    expect(begun).toEqual([1, 2]);
  });
});

describe('a half that was decrypted by hand beside itself', () => {
  it('does not make its pair one that may go', async () => {
    const plain = pairFiles(at(50), { encrypted: true });
    const [path = '', content = Buffer.alloc(0)] =
      Object.entries(plain).find(([name]) => name.startsWith('falkordb/')) ?? [];
    const archive = place(
      [
        [50, { encrypted: true, verified: { level: 'full', ok: true } }],
        [2, {}],
        [1, {}],
      ],
      { [path.replace(/\.age$/, '')]: Buffer.concat([content, content]) },
    );
    const inventory = await takeInventory([archive], NOW);
    const decisions = decideBackups(inventory, policyOf({ keepLast: 1 }), FREE, NOW);
    expect(removedOf(decisions)).toEqual([at(2)]);
    expect(rulesOf(decisions, 50)).toContain('newest-verified');
  });
});
