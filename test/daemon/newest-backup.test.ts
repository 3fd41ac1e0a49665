import { expect, it } from 'vitest';

import { BackupWatch, type BackupsSeen } from '../../src/daemon/newest-backup.js';
import { newState } from '../../src/daemon/state.js';

const made = { at: '2026-11-16T05:59:30.000Z', bytes: 77 };

let now = new Date('2026-11-16T06:00:00Z');
const clock = { now: () => now, wait: () => Promise.resolve() };
const state = newState(now);

it('knows a backup that others made, and looks again only after a minute', async () => {
  let looks = 0;
  let seen: BackupsSeen = { newest: made, whole: true };
  const watch = new BackupWatch(() => {
    looks += 1;
    return Promise.resolve(seen);
  }, clock);
  expect(watch.newest(state)).toBeNull();
  await watch.refresh();
  expect(watch.newest(state)).toEqual(made);
  seen = { newest: null, whole: true };
  now = new Date('2026-11-16T06:00:59Z');
  await watch.refresh();
  expect([looks, watch.newest(state)]).toEqual([1, made]);
  now = new Date('2026-11-16T06:01:00Z');
  await watch.refresh();
  expect([looks, watch.newest(state)]).toEqual([2, null]);
});

it('takes what the daemon did for gone only where a look at every place did not find it', async () => {
  now = new Date('2026-11-16T06:00:00Z');
  const own = newState(now);
  own.jobs.backup.lastSuccess = '2026-11-16T05:59:50.000Z';
  own.jobs.backup.bytes = 5;
  const mine = { at: own.jobs.backup.lastSuccess, bytes: 5 };
  const away = new BackupWatch(() => Promise.reject(new Error('away')), clock);
  await away.refresh();
  expect(away.newest(own)).toEqual(mine);
  const half = new BackupWatch(() => Promise.resolve({ newest: made, whole: false }), clock);
  await half.refresh();
  expect(half.newest(own)).toEqual(mine);
  const gone = new BackupWatch(() => Promise.resolve({ newest: null, whole: true }), clock);
  await gone.refresh();
  expect(gone.newest(own)).toBeNull();
  own.jobs.backup.lastSuccess = '2026-11-16T06:00:20.000Z';
  expect(gone.newest(own)).toEqual({ at: '2026-11-16T06:00:20.000Z', bytes: 5 });
});
