import { ExitCode, Failure } from '../failure.js';
import { removeBackups, spoilNewestBackup } from './damage-backups.js';
import { drift, equalCountDrift, wrongTypes } from './damage-drift.js';
import {
  emptyGraph,
  emptyVectors,
  loseBoth,
  loseGraph,
  loseVectors,
  withGraph,
  withVectors,
} from './damage-stores.js';
import { backupDirOf, volumeOf, type DamageScenario } from './damage-types.js';

export type { DamageScenario, DamageTarget } from './damage-types.js';

/** Every scenario; `damageScenario` finds one by name. */
export const DAMAGE_SCENARIOS: readonly DamageScenario[] = [
  {
    name: 'graph-lost',
    description: 'the graph is gone, key and all, as after a lost disk',
    needs: [],
    apply: ({ graph }) => withGraph(graph, async (redis) => [await loseGraph(redis, graph.name)]),
  },
  {
    name: 'graph-empty',
    description: 'the graph is there, but holds nothing',
    needs: [],
    apply: ({ graph }) => withGraph(graph, async (redis) => [await emptyGraph(redis, graph.name)]),
  },
  {
    name: 'vectors-lost',
    description: 'the collection is gone',
    needs: [],
    apply: ({ vectors }) =>
      withVectors(vectors, async (client) => [await loseVectors(client, vectors.collection)]),
  },
  {
    name: 'vectors-empty',
    description: 'the collection is there, but holds no point',
    needs: [],
    apply: ({ vectors }) =>
      withVectors(vectors, async (client) => [await emptyVectors(client, vectors.collection)]),
  },
  {
    name: 'both-lost',
    description: 'graph and collection are gone',
    needs: [],
    apply: loseBoth,
  },
  {
    name: 'both-lost-no-backup',
    description: 'graph and collection are gone, and so are all backups',
    needs: ['backups'],
    apply: async (target) => {
      const dir = backupDirOf(target, 'both-lost-no-backup');
      return [...(await loseBoth(target)), await removeBackups(dir)];
    },
  },
  {
    name: 'corrupt-newest-backup',
    description:
      'graph and collection are gone, and the newest backup is spoiled inside; one before it is sound',
    needs: ['backups'],
    apply: async (target) => {
      // First, so that nothing is lost where there is nothing to fall back to.
      const spoiled = await spoilNewestBackup(backupDirOf(target, 'corrupt-newest-backup'));
      return [spoiled, ...(await loseBoth(target))];
    },
  },
  {
    name: 'volume-snapshot',
    description: 'the graph is gone; a copy of the graph server’s data folder was taken before',
    needs: ['volume'],
    apply: async (target) => {
      const { graph } = target;
      const copy = await volumeOf(target, 'volume-snapshot').snapshotVolume();
      const lost = await withGraph(graph, (redis) => loseGraph(redis, graph.name));
      return [`before the damage, the data folder was copied to ${copy}`, lost];
    },
  },
  drift(3, 'half of them in each store'),
  drift(20, 'half of them in each store'),
  drift(60, 'all of them in the graph'),
  equalCountDrift,
  wrongTypes,
];

/** @throws Failure that names the scenarios there are. */
export function damageScenario(name: string): DamageScenario {
  const scenario = DAMAGE_SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario) return scenario;
  throw new Failure({
    operation: 'damage the stores',
    subject: name,
    reason: 'there is no such scenario',
    hint: `Name one of: ${DAMAGE_SCENARIOS.map((candidate) => candidate.name).join(', ')}.`,
    exitCode: ExitCode.usage,
    code: 'unknown-scenario',
  });
}
