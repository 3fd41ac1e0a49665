import type { Assessment } from '../../src/assess/types.js';
import type { PlanOption } from '../../src/plans/types.js';
import type {
  CheckResult,
  ComparisonResult,
  RunEvent,
  Summary,
  TimedEvent,
} from '../../src/recovery/events.js';

/** The night on which every fixture plays. */
export const START = Date.parse('2026-11-21T03:12:04.000Z');

/** A drill that came back exactly. */
export const EQUAL: ComparisonResult = {
  equal: true,
  differences: 0,
  nodes: { before: 2071, after: 2071, missing: 0, extra: 0, changed: 0 },
  relationships: { before: 6427, after: 6427, missing: 0, extra: 0 },
  points: {
    before: 2000,
    after: 2000,
    missing: 0,
    extra: 0,
    payloadChanged: 0,
    payloadCompleted: 0,
    vectorChanged: 0,
  },
  settings: 0,
  examples: [],
};

/** An event with its time, so many seconds after the start. */
export function at(seconds: number, event: RunEvent): TimedEvent {
  return { ...event, time: new Date(START + seconds * 1000).toISOString() };
}

export const ASSESSMENT: Assessment = {
  takenAt: '2026-11-21T03:12:05.000Z',
  graph: {
    state: 'lost',
    name: 'memories',
    address: 'graph.internal:6379',
    memories: 0,
    nodes: 0,
    relationships: 0,
    byLabel: {},
    byType: {},
    byRelationship: {},
    version: { server: '8.2.3', module: '4.16.3' },
    resultCap: 10_000,
    queryTimeoutMs: 1000,
    persistence: null,
    leftovers: [],
    latencyMs: 1,
    readRate: null,
  },
  vectors: {
    state: 'intact',
    name: 'memories',
    address: 'http://vectors.internal:6333',
    points: 10_000,
    size: 768,
    distance: 'Cosine',
    payloadIndexes: {},
    version: '1.15.4',
    status: 'green',
    payloadsMissing: false,
    excludedPoints: 12,
    latencyMs: 2,
    readRate: 12_400,
  },
  backups: {
    state: 'intact',
    source: 's3://backups/automem',
    pairs: [],
    newest: null,
    newestVectors: null,
  },
  drift: null,
  findings: [],
  seconds: 0.8,
};
const NEWEST = {
  timestamp: '20261120_230000',
  takenAt: '2026-11-20T23:00:00.000Z',
  graph: { path: 'graph_20261120_230000.json.gz', bytes: 1_200_000 },
  vectors: { path: 'qdrant_20261120_230000.json.gz', bytes: 81_000_000 },
  graphVerdict: { status: 'verified' },
  vectorsVerdict: { status: 'verified' },
} as const;
ASSESSMENT.backups.pairs.push(NEWEST);
ASSESSMENT.backups.newest = NEWEST;
ASSESSMENT.backups.newestVectors = NEWEST;

const STEPS = [
  { id: 'check-room', title: 'Check that the graph server has room for a second copy' },
  { id: 'read-vectors', title: 'Read every point from the collection' },
  { id: 'stage-nodes', title: 'Write memories to the staging graph' },
  { id: 'stage-edges', title: 'Write relationships from the newest backup' },
  { id: 'check-staged', title: 'Compare the staging graph with its source' },
  { id: 'promote', title: 'Promote the staging graph' },
  { id: 'compact', title: 'Compact the append-only file' },
];

function option(name: string, title: string, rest: Partial<PlanOption>): PlanOption {
  return {
    name,
    title,
    summary: '',
    applies: false,
    reason: '',
    estimateSeconds: null,
    loses: [],
    changes: [],
    steps: [],
    guidance: '',
    destructive: false,
    ...rest,
  };
}

export const OPTIONS: PlanOption[] = [
  option('rebuild-graph', 'Rebuild the graph from the vectors', {
    applies: true,
    reason: 'The graph is lost and every vector carries its payload.',
    estimateSeconds: 9,
    loses: ['0 memories'],
    changes: ['graph memories (replaced, kept for rollback)'],
    steps: STEPS,
    guidance: 'The service may stay up. What it writes while this runs is caught up before the end.',
    destructive: true,
  }),
  option('restore-backup', 'Restore both stores from one backup', {
    applies: true,
    reason: 'The newest backup was read in full.',
    estimateSeconds: 31,
    loses: ['4h12 of writes'],
    changes: ['graph memories', 'collection memories'],
    steps: STEPS.slice(2),
    guidance: 'Stop the service first.\nEverything written since the backup is lost.',
    destructive: true,
  }),
  option('reembed-vectors', 'Embed the memories of the graph anew', {
    reason: 'Not needed: the vectors are intact.',
  }),
  option('sync-drift', 'Copy what differs, in both directions', {
    reason: 'There is no graph to compare the vectors with.',
  }),
  option('restore-volume', 'Restore a volume snapshot at the hosting provider', {
    reason: 'Not needed while the vectors or a backup can be read.',
  }),
  option('healthy', 'Validate only', { reason: 'The graph is lost.' }),
  option('fresh-start', 'Begin with empty stores', {
    reason: 'There is something to restore from: 10,000 vectors and 1 backup.',
  }),
];

const WHAT_THE_PERSON_DOES = [
  'Lifeboat cannot reach the volumes of your provider, so this part is yours. Lifeboat waits meanwhile.',
  '1. Stop the memory service, so that nothing writes while the volume is old.',
  '2. In the console of the provider, restore the newest snapshot of the graph volume from before the damage.',
  '3. Start the graph server again, with the same name and port. Lifeboat sees by itself when the graph is back.',
].join('\n');

/** All the plans there are, as ranked for two stores that drifted apart; the recommended one is not the first. */
export const NINE_PLANS: PlanOption[] = [
  option('healthy', 'Nothing to recover', {
    reason: 'not needed: 3.2% of the memories differ',
  }),
  option('rebuild-graph', 'Rebuild the graph from Qdrant payloads', {
    onRequest: true,
    reason: 'not needed: the graph is intact',
    loses: [
      'relationships made after the backup of 2026-11-20 23:00:00 UTC, except those that payloads hint at',
    ],
    changes: ['graph memories (replaced in one swap; what was there is kept for rollback)'],
    steps: STEPS,
    guidance: 'Qdrant is only read. The new graph is built beside the live one.',
    destructive: true,
  }),
  option('reembed-vectors', 'Embed the memories of the graph anew', {
    onRequest: true,
    reason: 'not needed: the vectors are intact',
    guidance: 'Costs one call of the provider for each hundred memories.',
  }),
  option('restore-backup', 'Restore both stores from one backup', {
    reason: 'not needed: the graph is intact',
  }),
  option('restore-vectors', 'Restore the vectors from a backup', {
    reason: 'not needed: the vectors are intact',
  }),
  option('restore-graph', 'Restore the graph from a backup', { reason: 'not needed: the graph is intact' }),
  option('sync-drift', 'Copy what differs, in both directions', {
    applies: true,
    reason: 'the graph is intact, the vectors are intact, 3.2% of the memories differ',
    estimateSeconds: 74,
    loses: [],
    changes: ['graph memories (missing memories added)', 'collection memories (missing points added)'],
    steps: STEPS.slice(0, 3),
    guidance:
      'Nothing is deleted. What only Qdrant has comes back to the graph from its payload, without the relationships that only the graph knew. What only the graph has is embedded, and costs calls of the provider. The service may stay up.',
    destructive: true,
  }),
  option('restore-volume', 'Restore a volume snapshot at the hosting provider', {
    onRequest: true,
    reason: 'a person must do a part of it',
    steps: [
      { id: 'wait-volume', title: 'Wait until the graph is back' },
      { id: 'read-vectors', title: 'Read every point from the collection' },
    ],
    guidance: WHAT_THE_PERSON_DOES,
    destructive: true,
  }),
  option('fresh-start', 'Begin with empty stores', {
    reason: 'There is something to restore from: 10,000 vectors and 1 backup.',
  }),
];

const CHECKS: CheckResult[] = [
  {
    step: 1,
    name: 'Connectivity',
    status: 'pass',
    expected: 'both stores answer',
    actual: 'both answer, within 2 ms',
    provesData: false,
  },
  {
    step: 2,
    name: 'Memory counts and id sets match',
    status: 'pass',
    expected: '10,000 ids on both sides',
    actual: '10,000 ids on both sides',
    provesData: true,
  },
  {
    step: 3,
    name: 'Relationship integrity',
    status: 'pass',
    expected: '24,310 relationships',
    actual: '24,310 relationships, none dangling',
    provesData: true,
  },
  {
    step: 4,
    name: 'Embedding coverage',
    status: 'pass',
    expected: 'a vector of 768 dimensions for each memory',
    actual: '10,000 of 10,000',
    provesData: true,
  },
  {
    step: 5,
    name: 'Search works',
    status: 'pass',
    expected: '20 known memories find themselves',
    actual: '20 of 20',
    provesData: true,
  },
];

/** The five checks; those named in `failed` did not pass. */
export function checks(failed: number[] = []): CheckResult[] {
  return CHECKS.map((check) =>
    failed.includes(check.step)
      ? {
          ...check,
          status: 'fail',
          actual: '9,998',
          fix: 'lifeboat recover rebuild-graph',
          mend: check.step === 2 ? 'sync-drift' : 'relationships-from-backup',
        }
      : check,
  );
}

/** A summary of a good recovery; `rest` changes it. */
export function summary(rest: Partial<Summary> = {}): Summary {
  return {
    type: 'summary',
    command: 'recover',
    run: 'run-7f3a',
    outcome: 'recovered',
    exitCode: 0,
    plan: 'rebuild-graph',
    assessment: {
      graph: { state: 'lost', memories: 0, nodes: 0, relationships: 0 },
      vectors: { state: 'intact', points: 10_000, size: 768, distance: 'Cosine' },
      backups: { state: 'intact', newest: '20261120_230000', pairs: 1 },
    },
    validation: checks().map(({ step, name, status, expected, actual }) => ({
      step,
      name,
      status,
      expected,
      actual,
    })),
    restored: { memories: 10_000, nodes: 10_041, relationships: 24_310, vectors: 0 },
    salvaged: 0,
    quarantined: 0,
    rto: { objectiveSeconds: 300, measuredSeconds: 14, met: true },
    rpo: { objectiveSeconds: 86_400, measuredSeconds: 0, met: true },
    files: {
      report: '/var/lib/lifeboat/runs/run-7f3a/report.md',
      evidence: '/var/lib/lifeboat/runs/run-7f3a/evidence.json',
    },
    losses: [],
    resumable: false,
    kept: [],
    embedded: null,
    drift: null,
    ...rest,
  };
}

/** What a run says up to its plans. */
export function opening(options = OPTIONS, recommended = 'rebuild-graph'): TimedEvent[] {
  return [
    at(0, {
      type: 'run.started',
      command: 'recover',
      run: 'run-7f3a',
      graph: 'memories',
      collection: 'memories',
      dryRun: false,
      rtoSeconds: 300,
    }),
    at(0, { type: 'phase.started', phase: 'assess' }),
    at(0.4, {
      type: 'finding',
      finding: {
        severity: 'problem',
        code: 'graph-missing',
        message: 'The graph key memories does not exist on graph.internal:6379.',
        action: 'Choose a plan that brings it back.',
      },
    }),
    at(0.6, {
      type: 'finding',
      finding: {
        severity: 'warning',
        code: 'result-cap',
        message: 'The graph server cuts every answer at 10,000 rows, without an error.',
        action: 'Nothing to do now: Lifeboat reads in pages below the cap.',
      },
    }),
    at(1, { type: 'assessment', assessment: ASSESSMENT }),
    at(1, { type: 'phase.finished', phase: 'assess', seconds: 1 }),
    at(1, { type: 'phase.started', phase: 'plan' }),
    at(1, { type: 'plans', options, recommended }),
  ];
}

/** The plan taken and its name typed. */
export function confirmed(): TimedEvent[] {
  return [
    at(4, { type: 'plan.chosen', plan: 'rebuild-graph', by: 'operator' }),
    at(4, { type: 'confirm.required', plan: 'rebuild-graph', name: 'memories' }),
    at(6, { type: 'confirm.rejected', typed: 'memry', name: 'memories' }),
    at(8, { type: 'confirm.accepted', plan: 'rebuild-graph' }),
    at(8, { type: 'phase.finished', phase: 'plan', seconds: 7 }),
  ];
}

/** A whole run that goes well, with one record salvaged on the way. */
export function goodRun(): TimedEvent[] {
  return [
    ...opening(),
    ...confirmed(),
    at(8, { type: 'phase.started', phase: 'execute' }),
    at(8, {
      type: 'step.started',
      step: 'read-vectors',
      title: 'Read every point from the collection',
      index: 2,
      total: 7,
    }),
    ...[1, 2, 3, 4, 5].map((second) =>
      at(8 + second, {
        type: 'step.progress',
        step: 'read-vectors',
        unit: 'points',
        done: second * 2000,
        total: 10_000,
        rate: 2000,
        etaSeconds: 5 - second,
      }),
    ),
    at(12, { type: 'salvage', id: '3f2c', field: 'importance', rule: 'null-dropped' }),
    at(13, {
      type: 'step.finished',
      step: 'read-vectors',
      title: 'Read every point from the collection',
      outcome: 'done',
      seconds: 5,
      detail: '10,000 points',
    }),
    at(13, { type: 'phase.finished', phase: 'execute', seconds: 5 }),
    at(13, { type: 'phase.started', phase: 'validate' }),
    ...checks().map((check) => at(13.5, { type: 'check', check })),
    at(14, { type: 'phase.finished', phase: 'validate', seconds: 1 }),
    at(14, { type: 'phase.started', phase: 'report' }),
    at(14, summary({ salvaged: 1 })),
  ];
}
