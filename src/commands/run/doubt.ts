import { Failure } from '../../failure.js';
import { formatCount } from '../../report/format.js';
import { addCount } from '../../memory/values.js';
import type { Written } from '../../stores/write-guard.js';

interface Request {
  what: Written;
  count: number;
  /** performance.now() when it ended; infinite while it has not. */
  endedAt: number;
}

/** Requests of which nobody knows whether they were carried out while the lease was held. */
export class Doubt {
  private requests: Request[] = [];

  /**
   * @param confirmedAt performance.now() until when the lease was held for certain
   * @returns see WriteGuard
   */
  sending(what: Written, count: number, confirmedAt: number): (isProven: boolean) => void {
    // What was answered before the lease was confirmed is beyond doubt.
    this.requests = this.requests.filter(({ endedAt }) => endedAt >= confirmedAt);
    const request = { what, count, endedAt: Infinity };
    this.requests.push(request);
    return (isProven) => {
      request.endedAt = isProven ? -Infinity : performance.now();
    };
  }

  /** @returns what was on its way then or later, in words: "500 points"; null for nothing */
  since(confirmedAt: number): string | null {
    const counts: Record<string, number> = {};
    for (const { what, count, endedAt } of this.requests)
      if (endedAt >= confirmedAt) addCount(counts, what, count);
    const words = Object.entries(counts).map(([what, count]) => `${formatCount(count)} ${what}`);
    return words.length === 0 ? null : words.join(' and ');
  }
}

/** Says of a run that lost its lease what it may have written all the same. */
export function withDoubt(failure: unknown, doubt: string | null): unknown {
  if (!(failure instanceof Failure) || failure.code !== 'lease-lost') return failure;
  const { operation, subject, reason, exitCode, code } = failure;
  const said =
    doubt === null
      ? 'Nothing more is changed.'
      : `Up to ${doubt} may still have been written after that. When no other recovery is under way, compare and mend: lifeboat repair --always.`;
  const hint = `${said} ${failure.hint}`;
  return new Failure({ operation, subject, reason, hint, exitCode, code }, { cause: failure });
}
