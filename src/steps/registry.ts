import { compactAof } from './compact-aof.js';
import { promoteGraph } from './promote-graph.js';
import { proveSource } from './prove-source.js';
import { recount } from './recount.js';
import { stageNodes } from './stage-nodes.js';
import { stageRelationships } from './stage-relationships.js';
import type { Step } from './step.js';
import { validateCandidate } from './validate-candidate.js';

/** Every step that a plan may name. */
export const STEPS: ReadonlyMap<string, Step> = new Map(
  [proveSource, stageNodes, stageRelationships, validateCandidate, promoteGraph, recount, compactAof].map(
    (step) => [step.id, step],
  ),
);
