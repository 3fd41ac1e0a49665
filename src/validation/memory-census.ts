import type { DriftReport } from '../drift/types.js';

/** Examples kept of each kind of difference. */
const EXAMPLES = 5;

/** A kind of difference: how many, and some ids. */
export class Differences {
  count = 0;
  readonly examples: string[] = [];
  add(id: string): void {
    this.count++;
    if (this.examples.length < EXAMPLES) this.examples.push(id);
  }
}

/** What comparing the stores came to, in the terms of the checks. */
export interface MemoryCensus {
  drift: DriftReport;
  /** Memories that should have a vector and have no point. */
  missing: Differences;
  /** Points without a memory. */
  orphans: Differences;
  /** Those of them whose payload holds no content, so that no memory can be made of it. */
  contentless: number;
  /** Points without a memory because the recovery before put their payload into quarantine. */
  quarantined: number;
  /** Memories whose payload says something else; only with depth `content`. */
  stale: Differences;
  /** Ids that stand on two nodes. */
  duplicates: Differences;
  /** A few ids that are in both stores, spread over the collection. */
  sample: string[];
}
