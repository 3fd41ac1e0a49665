import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { addDrillCommand } from '../../src/commands/drill.js';
import type { Summary, TimedEvent } from '../../src/recovery/events.js';
import { DAMAGE_SCENARIOS } from '../../src/sandbox/damage.js';
import { testContext } from '../support/context.js';

let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lifeboat-drills-'));
});

afterAll(() => rm(home, { recursive: true, force: true }));

async function drill(
  scenario: string,
): Promise<{ exitCode: number; summary: Summary; events: TimedEvent[] }> {
  const events: TimedEvent[] = [];
  const { LIFEBOAT_CACHE, HOME } = process.env;
  const context = testContext({
    env: { PATH: process.env['PATH'], HOME, LIFEBOAT_CACHE, LIFEBOAT_STATE: join(home, 'state') },
    cwd: home,
    out: (text) => events.push(JSON.parse(text) as TimedEvent),
  });
  const program = new Command('lifeboat').exitOverride();
  addDrillCommand(program, context);
  const args = ['drill', '--scenario', scenario, '--memories', '120', '--dim', '16', '--json'];
  await program.parseAsync(args, { from: 'user' });
  return { exitCode: context.exitCode, summary: events.at(-1) as unknown as Summary, events };
}

/** What each scenario is recovered by. */
const PLANS: Record<string, string> = {
  'graph-lost': 'rebuild-graph',
  'graph-empty': 'rebuild-graph',
  'vectors-lost': 'reembed-vectors',
  'vectors-empty': 'reembed-vectors',
  'both-lost': 'restore-backup',
  'corrupt-newest-backup': 'restore-backup',
  'volume-snapshot': 'restore-volume',
  'drift-3': 'sync-drift',
  'drift-20': 'sync-drift',
  'drift-60': 'rebuild-graph',
  'equal-count-drift': 'sync-drift',
  'wrong-types': 'sync-drift',
};

describe('a drill', () => {
  it('exists for every scenario', () => {
    const names = DAMAGE_SCENARIOS.map(({ name }) => name);
    expect(names.filter((name) => name !== 'both-lost-no-backup').sort()).toEqual(Object.keys(PLANS).sort());
  });

  it.each(Object.entries(PLANS))(
    '%s is recovered by %s without a difference',
    { timeout: 120_000 },
    async (scenario, plan) => {
      const { exitCode, summary } = await drill(scenario);
      expect(summary.comparison).toMatchObject({ equal: true, differences: 0, examples: [] });
      expect(summary).toMatchObject({ plan, outcome: 'recovered', quarantined: 0, losses: [] });
      expect(summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
      expect(exitCode).toBe(0);
    },
  );

  it('both-lost-no-backup starts afresh, and says what is lost', { timeout: 120_000 }, async () => {
    const { exitCode, summary } = await drill('both-lost-no-backup');
    expect(summary).toMatchObject({ plan: 'fresh-start', outcome: 'recovered-with-losses' });
    expect(summary.losses.join()).toMatch(/All memories, relationships and vectors are lost/);
    expect(summary.comparison).toMatchObject({ equal: false, nodes: { after: 0 }, points: { after: 0 } });
    expect(exitCode).toBe(3);
  });
});
