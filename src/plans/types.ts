/** A plan as ranked for one assessment: what the operator sees, also where it does not apply. */
export interface PlanOption {
  name: string;
  title: string;
  summary: string;
  applies: boolean;
  /** It does not apply by itself, but does no harm here and runs when the operator names it. */
  onRequest?: true;
  /** Why it applies or why not, in plain words. */
  reason: string;
  /** Estimated seconds from rates measured in the assessment; null where the plan cannot be taken or it cannot be told. */
  estimateSeconds: number | null;
  /** What cannot be brought back: "0 memories", "relationships made since 2026-11-20 03:00 UTC". */
  loses: string[];
  /** What it changes: "graph memories (replaced, kept for rollback)". Empty for read-only plans. */
  changes: string[];
  /** Step titles in order. */
  steps: { id: string; title: string }[];
  /** What the person on call should know before confirming. */
  guidance: string;
  /** True where the plan replaces or changes a store and so needs the typed confirmation. */
  destructive: boolean;
}
