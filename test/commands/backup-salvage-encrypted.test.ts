import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { flipped } from '../backup/verify/pair-files.js';
import { GRAPH, Lab, type CommandRun } from '../support/lab.js';

/** Their vectors fill several chunks of 64 KiB, each of which age seals for itself. */
const POPULATION = { memories: 500, dim: 64 };

interface Salvaged {
  complete: boolean;
  graph: Counts;
  vectors: Counts;
  problems: { message: string }[];
}
interface Counts {
  saved: Record<string, number>;
  lost: Record<string, number | null>;
}

let lab: Lab;
let key: { LIFEBOAT_AGE_IDENTITY: string };
let recipient: { LIFEBOAT_AGE_RECIPIENTS: string };
let stamp: string;
let points: number;
let whole: Buffer;
let output: string;

const vectorsPath = (): string => join(lab.backups, 'qdrant', `qdrant_${stamp}.json.gz.age`);

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill(POPULATION);
  const identity = await generateIdentity();
  const file = join(lab.folder, 'key.txt');
  writeFileSync(file, `${identity}\n`, { mode: 0o600 });
  key = { LIFEBOAT_AGE_IDENTITY: file };
  recipient = { LIFEBOAT_AGE_RECIPIENTS: await identityToRecipient(identity) };
  const made = await lab.run(['backup', 'create', '--encrypt', '--json'], { env: recipient });
  ({ timestamp: stamp, points } = made.events.at(-1) as unknown as { timestamp: string; points: number });
  whole = readFileSync(vectorsPath());
});
afterAll(() => lab.stop());
beforeEach(async () => void (output = join(await mkdtemp(join(lab.folder, 'out-')), 'saved')));

function salvage(env: Record<string, string>): Promise<CommandRun> {
  return lab.run(['backup', 'salvage', stamp, '--output', output, '--json'], { env });
}

const result = ({ events }: CommandRun): Salvaged => events.at(-1) as unknown as Salvaged;

describe('salvage of an encrypted pair', () => {
  it.each([
    ['a byte is another one', (bytes: Buffer) => flipped(bytes, Math.floor(bytes.length * 0.6))],
    ['its end is missing', (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length * 0.6))],
  ])('saves what stands before the damage, encrypted again: %s', async (_, damage) => {
    writeFileSync(vectorsPath(), damage(whole));
    const run = await salvage({ ...key, ...recipient });
    const { complete, graph, vectors } = result(run);
    expect([run.exitCode, complete]).toEqual([3, false]);
    expect(graph.lost).toEqual({ nodes: 0, relationships: 0 });
    const { points: found = 0 } = vectors.saved;
    expect([found > points / 4, vectors.lost['points']]).toEqual([true, points - found]);
    expect(readdirSync(join(output, 'qdrant'))).toEqual([`qdrant_${stamp}.json.gz.age`]);
    // The new pair is sound, is restored with the key, and says what it lacks.
    const env = { ...key, AUTOMEM_BACKUP_DIR: output };
    expect((await lab.run(['backup', 'verify', stamp, '--json'], { env })).exitCode).toBe(0);
    await lab.damage('both-lost');
    const restored = await lab.recover(['restore-backup', '--backup', stamp], { env });
    expect(restored.exitCode).toBe(3);
    expect(restored.summary.losses.join()).toContain(`${points - found} memories have no vector`);
    const { count } = await lab.qdrant<{ count: number }>('POST', `/collections/${GRAPH}/points/count`, {
      exact: true,
    });
    expect(count).toBeGreaterThanOrEqual(found);
  });

  it('says that the new pair is not encrypted where no recipient is set', async () => {
    writeFileSync(vectorsPath(), whole);
    const run = await salvage(key);
    expect([run.exitCode, result(run).complete]).toEqual([0, true]);
    expect(run.stderr).toContain('LIFEBOAT_AGE_RECIPIENTS is not set: the new pair is not encrypted.');
    expect(readdirSync(join(output, 'qdrant'))).toEqual([`qdrant_${stamp}.json.gz`]);
  });

  it('without the key saves nothing, and says what it lacks', async () => {
    const run = await salvage(recipient);
    expect(run.exitCode).not.toBe(0);
    expect(existsSync(output)).toBe(false);
    expect(run.stdout + (run.failure?.message ?? '') + (run.failure?.hint ?? '')).toContain(
      'LIFEBOAT_AGE_IDENTITY',
    );
  });
});
