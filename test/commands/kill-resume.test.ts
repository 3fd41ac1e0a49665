import { GRAPH } from '../support/lab.js';
import { killAtEntriesOf } from './kill-at-entries.js';

killAtEntriesOf([
  {
    path: 'rebuild-graph',
    args: ['recover', 'rebuild-graph'],
    damage: (lab) => lab.damage('graph-empty'),
  },
  {
    path: 'reembed-vectors',
    args: ['recover', 'reembed-vectors', '--backup', 'none'],
    damage: (lab) => lab.damage('vectors-lost'),
  },
  {
    path: 'restore-backup',
    args: ['recover', 'restore-backup'],
    damage: (lab) => lab.damage('both-lost'),
  },
  {
    path: 'restore-graph',
    args: ['recover', 'restore-graph'],
    damage: async (lab) => {
      lab.removeBackup('vectors');
      await lab.damage('both-lost');
    },
  },
  {
    path: 'restore-vectors',
    args: ['recover', 'restore-vectors'],
    damage: async (lab) => {
      lab.removeBackup('graph');
      await lab.damage('both-lost');
    },
  },
  { path: 'sync-drift', args: ['repair'], damage: (lab) => lab.damage('drift-20') },
  {
    path: 'validate --fix',
    args: ['validate', '--fix'],
    damage: async (lab) => {
      await lab.damage('drift-20');
      await lab.query('MATCH ()-[r]->() DELETE r');
      await lab.qdrant('DELETE', `/collections/${GRAPH}/index/tags?wait=true`);
    },
  },
  {
    path: 'fresh-start',
    args: ['recover', 'fresh-start', '--backup', 'none'],
    damage: (lab) => lab.damage('both-lost'),
  },
]);
