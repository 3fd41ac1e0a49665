import type { RankedPlans } from '../../plans/choose.js';
import type { SessionOptions } from './session-options.js';

/** The step of a restore that does something only with --exact. */
const EXACT_STEP = 'delete-extra-points';

/** The step that deletes, where it is asked to. */
const DELETING_STEP = 'repair-graph';

/** What the flags make of the plans: one that deletes points needs the typed confirmation, whatever its file says. */
export function asAsked(
  ranked: RankedPlans,
  { command, recovery, request }: Pick<SessionOptions, 'command' | 'recovery' | 'request'>,
): RankedPlans {
  // A repair runs from cron and keeps copies; everything else that changes a store is confirmed by a person.
  const asked = ranked.options.map((option) => ({
    ...option,
    steps: option.steps.filter(({ id }) => recovery.exact || id !== EXACT_STEP),
    destructive: option.destructive || (command !== 'repair' && option.changes.length > 0),
  }));
  if (recovery.orphans !== 'delete') return { ...ranked, options: asked };
  const options = asked.map((option) => {
    // A failed check may begin a repair after any plan.
    const deletes = request.fix || request.interactive || option.steps.some(({ id }) => id === DELETING_STEP);
    if (!deletes) return option;
    const changes = [...option.changes, 'points without a memory (deleted; the snapshot holds them)'];
    return { ...option, destructive: true, changes };
  });
  return { ...ranked, options };
}
