import type { RunWork } from '../../steps/step.js';
import type { runValidation } from './validate-actor.js';

type Asked = Parameters<typeof runValidation>[2];

/**
 * What the validation may expect of a run that built a graph, and how deep it must look.
 *
 * @param rounds of mending before this validation
 */
export function expectationOf(
  work: RunWork,
  { executed, rounds }: { executed: boolean; rounds: number },
): Pick<Asked, 'expected' | 'depth'> {
  const { restored, byRelationship, quarantinedPoints } = work;
  const expected =
    executed && byRelationship !== null
      ? { ...restored, byRelationship, quarantined: new Set(quarantinedPoints) }
      : null;
  // What was mended in place, or carried over from the live graph, was compared by no candidate.
  const isProven = expected !== null && rounds === 0 && !carriedOver(work);
  return { expected, depth: isProven ? 'ids' : 'content' };
}

/** Whether the new graph holds nodes that the live one had. Of a run that goes on only the swap tells. */
function carriedOver({ sources, replaced }: RunWork): boolean {
  if (sources.length === 0) return replaced;
  return sources.some(({ kind, totals }) => kind === 'live' && totals.nodes !== 0);
}
