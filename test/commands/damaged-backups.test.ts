import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { GRAPH, Lab, payloadOf, TIMESTAMP, type CommandRun } from '../support/lab.js';

const OLDER = '20261031_030000';
const ORPHAN = '0a000000-0000-4000-8000-000000000001';

let lab: Lab;
let before: GraphSnapshot;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
  before = await lab.snapshot();
});

afterAll(async () => {
  await before.close();
  await lab.stop();
});

beforeEach(() => lab.reset());

/** The pair under an earlier timestamp, while the stores held the same. */
function copyPair(): void {
  for (const half of ['graph', 'vectors'] as const) {
    const text = gunzipSync(lab.backupBytes(half)).toString().replaceAll(TIMESTAMP, OLDER);
    lab.writeBackup(half, gzipSync(text), OLDER);
  }
}

/** JSON that breaks off its form deep inside, in a gzip file that is sound. */
function spoil(half: 'graph' | 'vectors', timestamp = TIMESTAMP): void {
  const text = gunzipSync(lab.backupBytes(half, timestamp)).toString();
  const middle = Math.floor(text.length / 2);
  const broken = `${text.slice(0, middle)}${'"'.repeat(512)}${text.slice(middle + 512)}`;
  lab.writeBackup(half, gzipSync(broken), timestamp);
}

const warnings = (run: CommandRun): string =>
  run.events
    .flatMap((event) =>
      event.type === 'finding' && event.finding.severity === 'warning' ? [event.finding.message] : [],
    )
    .join('\n');

const plansTold = (run: CommandRun): string =>
  run.events
    .flatMap((event) => (event.type === 'plans' ? event.options : []))
    .flatMap(({ loses }) => loses)
    .join('\n');

function expectPassedOver(run: CommandRun): void {
  expect(warnings(run)).toMatch(new RegExp(`The backup ${TIMESTAMP} is passed over: .*JSON`));
  expect(warnings(run)).toContain(`The backup ${OLDER} takes its place`);
  expect(run.summary.backup).toMatchObject({ used: OLDER, passedOver: [{ timestamp: TIMESTAMP }] });
}

/** Memories that are gone from the graph and still have their points. */
async function loseMemories(percent: number): Promise<string[]> {
  const points = JSON.parse(await lab.points()) as { id: string }[];
  const ids = points.map(({ id }) => id).slice(0, Math.round((points.length * percent) / 100));
  await lab.query(`MATCH (m:Memory) WHERE m.id IN ['${ids.join("', '")}'] DETACH DELETE m`);
  return ids;
}

/** Both stores with all that a run could leave in them: copies and snapshots. */
const everything = async (): Promise<unknown> => [
  await lab.contents(),
  await lab.points(),
  await lab.leftovers(),
  await lab.qdrant('GET', `/collections/${GRAPH}/snapshots`),
];

describe('the newest backup is damaged inside, an older one is sound', () => {
  beforeEach(() => copyPair());

  it('rebuild-graph takes the older one, and says so before anybody confirms', async () => {
    spoil('graph');
    await lab.damage('graph-lost');
    const dry = await lab.recover(['--dry-run']);
    expect(dry.exitCode).toBe(0);
    expectPassedOver(dry);
    expect(plansTold(dry)).toContain('after the backup of 2026-10-31 03:00:00 UTC');
    expect(plansTold(dry)).not.toContain('2026-11-01');
    const run = await lab.recover();
    expect(run.summary).toMatchObject({ plan: 'rebuild-graph', outcome: 'recovered', losses: [] });
    expectPassedOver(run);
    expect(await lab.differences(before)).toEqual([]);
    const plain = await lab.run(['recover', 'rebuild-graph', '--dry-run']);
    expect(plain.stdout).toMatch(new RegExp(`WARNING .*${TIMESTAMP} is passed over`));
    expect(plain.stdout).toMatch(new RegExp(`backup +${OLDER} \\(${TIMESTAMP} was passed over: `));
  });

  it('restore-backup is planned with the older one', async () => {
    spoil('vectors');
    await lab.damage('both-lost');
    const run = await lab.recover();
    expect(run.summary).toMatchObject({ plan: 'restore-backup', outcome: 'recovered', losses: [] });
    expectPassedOver(run);
    expect(plansTold(run)).not.toContain('2026-11-01');
    expect(await lab.differences(before)).toEqual([]);
  });

  it('a repair takes memories from the older one', async () => {
    spoil('graph');
    await loseMemories(10);
    const was = await everything();
    const dry = await lab.run(['repair', '--json', '--dry-run']);
    expect(dry.exitCode).toBe(0);
    expectPassedOver(dry);
    expect(await everything()).toEqual(was);
    const run = await lab.run(['repair', '--json']);
    expect(run.summary).toMatchObject({ outcome: 'recovered', losses: [] });
    expectPassedOver(run);
    expect(await lab.differences(before)).toEqual([]);
  });

  it('a repair takes vectors from the older one', async () => {
    spoil('vectors');
    const points = JSON.parse(await lab.points()) as { id: string }[];
    await lab.removePoints(points.slice(0, 12).map(({ id }) => id));
    const run = await lab.run(['repair', '--json']);
    expect(run.summary).toMatchObject({ outcome: 'recovered', losses: [], embedded: null });
    expectPassedOver(run);
  });

  it('reembed-vectors takes them from the older one', async () => {
    spoil('vectors');
    await lab.damage('vectors-lost');
    const run = await lab.recover();
    expect(run.summary).toMatchObject({ plan: 'reembed-vectors', outcome: 'recovered', embedded: null });
    expectPassedOver(run);
  });

  it('validate --fix takes relationships from the older one, or goes without where it is told to', async () => {
    spoil('graph');
    await lab.query('MATCH ()-[r]->() DELETE r');
    const without = await lab.run(['validate', '--fix', '--json', '--backup', 'none']);
    expect(without.exitCode).toBe(3);
    expect(without.summary.backup).toBeUndefined();
    const run = await lab.run(['validate', '--fix', '--json']);
    expect(run.exitCode).toBe(0);
    expectPassedOver(run);
    expect(await lab.differences(before)).toEqual([]);
  });

  it('where the damaged one was named, nothing is changed, and the older one is named', async () => {
    spoil('graph');
    await loseMemories(10);
    const was = await everything();
    const run = await lab.run(['repair', '--json', '--backup', TIMESTAMP]);
    expect(run.summary).toMatchObject({ exitCode: 4, failure: { code: 'backup-unsound' }, kept: [] });
    expect(await everything()).toEqual(was);
    const command = `lifeboat repair --backup ${OLDER}`;
    expect(run.summary.failure?.hint).toContain(`: ${command}.`);
    const again = await lab.run([...command.split(' ').slice(1), '--json']);
    expect(again.summary.outcome).toBe('recovered');
  });
});

describe('assess names the backup that recover would use', () => {
  it.each([
    ['graph-lost', 'graph'],
    ['both-lost', 'graph'],
    ['both-lost', 'vectors'],
    ['vectors-lost', 'vectors'],
  ] as const)('%s, and the newest %s half is damaged', async (damage, half) => {
    copyPair();
    spoil(half);
    await lab.damage(damage);
    const [assessed, dry] = [await lab.run(['assess', '--json']), await lab.recover(['--dry-run'])];
    const recommended = (run: CommandRun): unknown =>
      run.events.flatMap((event) =>
        event.type === 'plans'
          ? event.options.map(({ name, estimateSeconds, applies }) => ({ name, estimateSeconds, applies }))
          : [],
      )[0];
    expect(warnings(assessed)).toMatch(new RegExp(`The backup ${TIMESTAMP} (?:is passed over|has a .*JSON)`));
    expect(plansTold(assessed)).toBe(plansTold(dry));
    expect(recommended(assessed)).toEqual(recommended(dry));
    expect(assessed.summary.assessment?.backups).toEqual(dry.summary.assessment?.backups);
  });
});

describe('no backup is sound', () => {
  beforeEach(() => spoil('graph'));

  it('rebuild-graph goes on without, and says what that loses', async () => {
    await lab.damage('graph-lost');
    const dry = await lab.recover(['--dry-run']);
    expect(plansTold(dry)).toContain('every relationship that no payload hints at');
    const run = await lab.recover();
    expect(run.summary).toMatchObject({
      plan: 'rebuild-graph',
      exitCode: 3,
      outcome: 'recovered-with-losses',
      backup: { used: null, passedOver: [{ timestamp: TIMESTAMP }] },
    });
    expect(run.summary.losses.join()).toContain('No graph half of a backup was used');
  });

  it('a repair brings back what the payloads hold, and says what is missing', async () => {
    await loseMemories(10);
    const run = await lab.run(['repair', '--json']);
    expect(run.summary).toMatchObject({ exitCode: 3, backup: { used: null } });
    expect(run.summary.losses.join()).toContain('no backup to take relationships from');
  });

  it('a restore refuses before anything is changed', async () => {
    await lab.damage('both-lost');
    const run = await lab.recover(['--dry-run']);
    expect(run.summary).toMatchObject({ exitCode: 4, failure: { code: 'backup-unsound' } });
    expect((await lab.recover()).exitCode).toBe(4);
    expect(await lab.leftovers()).toEqual([]);
    // Each command that it names stands alone, and the one for the sound half works.
    const commands = [...(run.summary.failure?.hint ?? '').matchAll(/: lifeboat (.+)$/gm)].map(
      ([, command]) => command ?? '',
    );
    expect(commands).toHaveLength(4);
    const vectorsAlone = commands.find((command) => command.includes('--only vectors')) ?? '';
    await lab.run([...vectorsAlone.split(' '), '--json']);
    expect(await lab.points()).toContain('"id"');
  });
});

describe('backups are encrypted', () => {
  let key: Record<string, string>;

  beforeEach(async () => {
    const identity = await generateIdentity();
    const file = join(lab.folder, 'key.txt');
    writeFileSync(file, `${identity}\n`, { mode: 0o600 });
    key = { LIFEBOAT_AGE_IDENTITY: file };
    const recipients = { LIFEBOAT_AGE_RECIPIENTS: await identityToRecipient(identity) };
    const made = await lab.run(['backup', 'create', '--encrypt', '--json'], { env: recipients });
    expect(made.exitCode).toBe(0);
    lab.removeBackup('graph');
    lab.removeBackup('vectors');
  });

  const SET_KEY = /^Set LIFEBOAT_AGE_IDENTITY to the key file, then run this again\./;

  it.each(['graph-lost', 'both-lost'])('without a key, recover stops: %s', async (damage) => {
    await lab.damage(damage);
    for (const args of [['--dry-run'], []]) {
      const run = await lab.recover(args);
      expect(run.summary).toMatchObject({ exitCode: 2, failure: { code: 'backup-key' }, kept: [] });
      expect(run.summary.failure?.hint).toMatch(SET_KEY);
      expect(run.summary.failure?.hint).toContain('--backup none');
    }
    expect(await lab.leftovers()).toEqual([]);
    const plain = await lab.run(['recover', '--confirm', GRAPH]);
    expect(plain.stdout).toMatch(/1 +Set LIFEBOAT_AGE_IDENTITY to the key file/);
    const assessed = await lab.run(['assess']);
    expect(assessed.stdout).toMatch(/NEXT[^]*1 +Set LIFEBOAT_AGE_IDENTITY to the key file/i);
    const told = await lab.run(['assess', '--json']);
    const [first] = told.events.flatMap((event) => (event.type === 'finding' ? [event.finding] : []));
    expect(first).toMatchObject({ code: 'backup-locked' });
    expect((await lab.recover([], { env: key })).summary.outcome).toBe('recovered');
    expect(await lab.differences(before)).toEqual([]);
  });

  it('without the file of the keys, recover stops as well', async () => {
    await lab.damage('graph-lost');
    const gone = join(lab.folder, 'not-there.txt');
    const run = await lab.recover([], { env: { LIFEBOAT_AGE_IDENTITY: gone } });
    expect(run.summary).toMatchObject({ exitCode: 2, failure: { code: 'backup-key' }, kept: [] });
    expect(run.summary.failure?.hint).toMatch(SET_KEY);
    expect(await lab.leftovers()).toEqual([]);
  });

  it('names commands that work', async () => {
    await lab.damage('graph-lost');
    const run = await lab.recover();
    const command = `lifeboat recover --confirm ${GRAPH} --backup none`;
    expect(run.summary.failure?.hint).toContain(`: ${command}`);
    expect((await lab.run([...command.split(' ').slice(1), '--json'])).summary.plan).toBe('rebuild-graph');
  });

  it('goes on without them on purpose', async () => {
    await lab.damage('graph-lost');
    const run = await lab.recover(['--backup', 'none']);
    expect(run.summary).toMatchObject({ plan: 'rebuild-graph', exitCode: 3 });
  });

  it('a repair that needs nothing of them is not stopped; one that does is', async () => {
    expect((await lab.run(['repair', '--json'])).exitCode).toBe(0);
    await lab.upsert([{ id: ORPHAN, payload: payloadOf('an orphan') }]);
    const was = await everything();
    const run = await lab.run(['repair', '--json', '--always']);
    expect(run.summary).toMatchObject({ exitCode: 2, failure: { code: 'backup-key' }, kept: [] });
    expect(await everything()).toEqual(was);
  });
});
