import { SHARED_FIELDS, sameValue, sharedField } from './fingerprint.js';
import { isPassing, isWhole, timeOf } from './graph-damage.js';
import type { ValueMap } from './values.js';

/** What a live payload is beside that of the same point in a backup. */
export type Beside = 'same' | 'older' | 'newer' | 'undecided';

/**
 * Holds the payload of a point against the one that a backup has of it. A later time of change makes it newer; where both
 * say something else and no time tells which came later, it is undecided.
 */
export function besideBackup(live: ValueMap, backup: ValueMap): Beside {
  const [now, then] = [timeOf(live['updated_at']), timeOf(backup['updated_at'])];
  if (now > then || (!Number.isNaN(now) && Number.isNaN(then))) return 'newer';
  if (!saysOther(live, backup)) return 'same';
  return now < then ? 'older' : 'undecided';
}

/** Whether both say something in a usable form that is not the same. */
function saysOther(live: ValueMap, backup: ValueMap): boolean {
  return SHARED_FIELDS.some(
    (field) =>
      !isPassing(field) &&
      isWhole(live, field) &&
      isWhole(backup, field) &&
      !sameValue(sharedField(live, field), sharedField(backup, field)),
  );
}
