import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GRAPH, Lab } from '../support/lab.js';

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60 });
  await lab.keep();
});
afterAll(() => lab.stop());
beforeEach(() => lab.reset());

interface Created {
  timestamp: string;
  relationships: number;
  warnings: string[];
}

async function create(...args: string[]): Promise<Created> {
  const run = await lab.run(['backup', 'create', '--json', ...args]);
  expect(run.exitCode).toBe(0);
  return run.events.at(-1) as unknown as Created;
}

const graphOf = (timestamp: string): string => join(lab.backups, 'falkordb', `falkordb_${timestamp}.json.gz`);

/** Loses all relationships: the file ends where they begin. */
function cutRelationships(timestamp: string): void {
  const text = gunzipSync(readFileSync(graphOf(timestamp))).toString();
  writeFileSync(graphOf(timestamp), gzipSync(text.slice(0, text.indexOf('"relationships"'))));
}

describe('a salvaged backup', () => {
  it('is restored with the loss told as one, and not as recovered', async () => {
    const { timestamp, relationships } = await create();
    cutRelationships(timestamp);
    const output = join(lab.backups, '..', 'salvaged');
    expect((await lab.run(['backup', 'salvage', timestamp, '--output', output, '--json'])).exitCode).toBe(3);
    await lab.damage('both-lost');
    const env = { AUTOMEM_BACKUP_DIR: output };
    const run = await lab.recover(['restore-backup', '--backup', timestamp], { env });
    expect(run.summary).toMatchObject({ outcome: 'recovered-with-losses', exitCode: 3 });
    expect(run.summary.losses.join()).toContain(
      `${relationships} relationships of ${timestamp} were lost before it was written`,
    );
  });
});

describe('a backup of much less than the one before', () => {
  it('is made, and says so', async () => {
    const first = await create();
    expect(first.warnings).toEqual([]);
    await lab.redis('GRAPH.QUERY', GRAPH, 'MATCH ()-[r]->() DELETE r');
    const vectors = await create('--only', 'vectors');
    expect(vectors.warnings).toEqual([]);
    const second = await create();
    expect(second.warnings).toEqual([
      `0 relationships; the backup before (${first.timestamp}) holds ${first.relationships}. If that is not meant: lifeboat validate`,
    ]);
    const manifest = readFileSync(join(lab.backups, `lifeboat_${second.timestamp}.manifest.json`), 'utf8');
    expect(JSON.parse(manifest)).toMatchObject({ warnings: second.warnings });
    // Against the newest one before, which is as small.
    expect((await create()).warnings).toEqual([]);
  });
});

describe('an assessment of a backup that cannot be used', () => {
  it('names what can be done', async () => {
    const { timestamp } = await create();
    writeFileSync(graphOf(timestamp), 'no backup');
    const damaged = await lab.run(['assess', '--json']);
    expect(actionOf(damaged.events)).toContain(`lifeboat backup verify ${timestamp}`);
    expect(actionOf(damaged.events)).toContain('lifeboat backup create');
  });

  it('names the key where it is encrypted', async () => {
    const recipient = await identityToRecipient(await generateIdentity());
    const env = { LIFEBOAT_AGE_RECIPIENTS: recipient };
    await lab.run(['backup', 'create', '--encrypt', '--json'], { env });
    const locked = await lab.run(['assess', '--json']);
    expect(actionOf(locked.events)).toContain('Set LIFEBOAT_AGE_IDENTITY to the key file');
  });
});

function actionOf(events: readonly object[]): string {
  const findings = events.flatMap((event) => ('finding' in event ? [event.finding] : []));
  const broken = findings.find((finding) => (finding as { code: string }).code === 'backup-broken');
  return (broken as { action?: string } | undefined)?.action ?? '';
}
