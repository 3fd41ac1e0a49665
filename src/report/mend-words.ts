import type { Mend } from '../recovery/events.js';

/** Rounds of mending that a run has at most. */
const MEND_ROUNDS = 3;

const MEND_WORDS: Record<Mend, string> = {
  retry: 'look once more: it may only have been late',
  'sync-drift': 'bring to each store what only the other one has',
  'relationships-from-backup': 'bring missing relationships back from the newest backup',
  'reembed-missing': 'embed what is missing',
  'create-indexes': 'make the indexes that are missing',
};

/** "round 1 of 3: embed what is missing; make the indexes that are missing". */
export function mendsSay(mends: readonly Mend[], round: number): string {
  return `round ${round} of ${MEND_ROUNDS}: ${mends.map(mendSays).join('; ')}`;
}

function mendSays(mend: Mend): string {
  // A newer engine may know remedies that this view has no words for.
  return Object.hasOwn(MEND_WORDS, mend) ? MEND_WORDS[mend] : mend;
}
