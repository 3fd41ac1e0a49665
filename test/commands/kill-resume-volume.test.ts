import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { copyVolume, putVolumeBack } from '../../src/sandbox/volume.js';
import type { Lab } from '../support/lab.js';
import { killAtEntriesOf } from './kill-at-entries.js';

const volume = ({ folder }: Lab): string => join(folder, 'volume');
const live = ({ engines }: Lab): string => join(engines.folder, 'falkordb');

/** The graph's volume goes back to its copy, at the hosting provider: the server stops and starts on other data. */
async function restoreVolume(lab: Lab): Promise<void> {
  await lab.engines.servers.graph.stop();
  await putVolumeBack(volume(lab), live(lab));
  await lab.engines.restartGraph();
}

// In a file of its own: each resumed run waits for the graph to stand still, and other files use that time.
killAtEntriesOf([
  {
    path: 'restore-volume',
    args: ['recover', 'restore-volume'],
    damage: async (lab) => {
      // The volume's snapshot and the vectors are of different times.
      await lab.damage('drift-20');
      await rm(volume(lab), { recursive: true, force: true });
      await copyVolume(lab.engines.graph, live(lab), volume(lab));
      await lab.damage('graph-lost');
    },
    person: restoreVolume,
  },
]);
