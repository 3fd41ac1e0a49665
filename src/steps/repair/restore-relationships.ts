import type { Step } from '../step.js';
import { bringRelationships, resolve } from './bring-relationships.js';
import { LiveNames } from './live-names.js';
import { readBackup } from './read-backup.js';
import { tally, tellNoBackup } from './restore-memories.js';

/** Brings every relationship of the newest backup whose ends are both in the graph, and which is not there yet. */
export const restoreRelationships: Step = {
  id: 'restore-relationships',
  title: 'Bring relationships from the backup',
  writes: true,
  store: 'graph',
  async run(context) {
    const names = await LiveNames.read(context);
    const excerpt = await readBackup(context, names.byIdentity, null);
    if (excerpt === null) {
      tellNoBackup(context);
      return 'there is no backup to take relationships from';
    }
    const made = await bringRelationships(context, names, resolve(excerpt.relationships, new Map()), true);
    return `${tally(context, made)} relationships brought back`;
  },
};
