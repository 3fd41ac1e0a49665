import { catchUp } from './catch-up.js';
import { compactAof } from './compact-aof.js';
import { awaitGraph, guideVolume } from './manual/await-graph.js';
import { awaitStores } from './manual/await-stores.js';
import { createStores, tellLosses } from './manual/fresh-start.js';
import { promoteGraph } from './promote-graph.js';
import { proveSource } from './prove-source.js';
import { recount } from './recount.js';
import { checkDrift } from './repair/check-drift.js';
import { compare } from './repair/compare.js';
import { repairGraph } from './repair/repair-graph.js';
import { restoreRelationships } from './repair/restore-relationships.js';
import { deleteExtraPoints } from './restore/delete-extra-points.js';
import { openBackup } from './restore/open-backup.js';
import { restoreVectors } from './restore/restore-vectors.js';
import { validateCopy } from './restore/validate-copy.js';
import { verifyBackup } from './restore/verify-backup.js';
import { copyGraph, safeguardStores, safeguardVectors } from './safeguard.js';
import { stageNodes } from './stage-nodes.js';
import { stageRelationships } from './stage-relationships.js';
import type { Step } from './step.js';
import { validateCandidate } from './validate-candidate.js';
import { watchWriters } from './watch-writers.js';
import { createIndexes } from './vectors/create-indexes.js';
import { embedMissing } from './vectors/embed-missing.js';
import { planEmbedding } from './vectors/plan-embedding.js';
import { refreshPayloads } from './vectors/refresh-payloads.js';
import { settleDrift } from './vectors/settle-drift.js';
import { vectorsFromBackup } from './vectors/vectors-from-backup.js';

const ALL: readonly Step[] = [
  // Before anything else.
  watchWriters,
  // Building a graph beside the live one.
  proveSource,
  stageNodes,
  stageRelationships,
  validateCandidate,
  promoteGraph,
  recount,
  catchUp,
  compactAof,
  // Bringing two stores together.
  compare,
  checkDrift,
  copyGraph,
  safeguardStores,
  repairGraph,
  restoreRelationships,
  // Making vectors.
  planEmbedding,
  safeguardVectors,
  vectorsFromBackup,
  embedMissing,
  refreshPayloads,
  createIndexes,
  settleDrift,
  // Restoring a backup.
  verifyBackup,
  openBackup,
  validateCopy,
  restoreVectors,
  deleteExtraPoints,
  // What a person does.
  guideVolume,
  awaitGraph,
  awaitStores,
  tellLosses,
  createStores,
];

/** Every step that a plan may name. */
export const STEPS: ReadonlyMap<string, Step> = new Map(ALL.map((step) => [step.id, step]));
