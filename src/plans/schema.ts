import { z } from 'zod';

const state = z.enum(['intact', 'degraded', 'empty', 'lost', 'unreachable']);

/** One row of conditions: every store named must be in one of the states given. */
const condition = z.strictObject({
  graph: z.array(state).nonempty().optional(),
  vectors: z.array(state).nonempty().optional(),
  backups: z.array(state).nonempty().optional(),
  /** How far the stores are apart, as far as they were compared: none, up to half of the memories, or not compared. */
  drift: z
    .array(z.enum(['none', 'some', 'unknown']))
    .nonempty()
    .optional(),
});

/** Things beyond a store's state that a plan cannot do without. */
const requirement = z.enum([
  'payloads',
  'writable-graph',
  'usable-backup',
  'backup-pair',
  'backup-vectors',
  'no-backup-vectors',
  'no-backup-graph',
  'no-backup',
]);

const loss = z.strictObject({
  when: z
    .strictObject({
      backups: z.enum(['usable', 'none']).optional(),
      /** Whether Qdrant holds anything, or may. */
      vectors: z.enum(['there', 'gone']).optional(),
    })
    .optional(),
  text: z.string().min(1),
});

/** What takes the time; each is estimated from a rate that the assessment measured. */
const work = z.enum([
  'read-points',
  'read-backup',
  'read-backup-vectors',
  'write-graph',
  'read-graph',
  'write-points',
  'embed',
  /** What a person does, at a pace of their own. */
  'person',
]);

const planShape = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/, 'expected a name such as rebuild-graph'),
  title: z.string().min(1),
  summary: z.string().min(1),
  /** Lower is better; the first that applies is recommended. */
  rank: z.number().int().min(0),
  when: z.array(condition),
  /** Where it is not recommended, but runs when the operator names it. */
  onRequest: z.array(condition).default([]),
  needs: z.array(requirement).default([]),
  destructive: z.boolean(),
  changes: z.array(z.string().min(1)),
  loses: z.array(loss),
  work: z.array(work),
  steps: z.array(z.string().regex(/^[a-z][a-z0-9-]*$/)),
  guidance: z.string().min(1),
});

/** A plan as its YAML file says it, checked. */
export const planSchema = planShape.refine(({ when, onRequest }) => when.length + onRequest.length > 0, {
  path: ['when'],
  message: 'expected a condition here, or one in onRequest',
});

export type Plan = z.infer<typeof planSchema>;
export type PlanLoss = z.infer<typeof loss>;
export type PlanCondition = z.infer<typeof condition>;
export type PlanRequirement = z.infer<typeof requirement>;
export type PlanWork = z.infer<typeof work>;
