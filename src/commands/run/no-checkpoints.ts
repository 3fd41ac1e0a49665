import type { Checkpoints } from '../../steps/change.js';

/** For runs that keep no record: they change nothing, so there is nothing to go on from. */
export const NO_CHECKPOINTS: Checkpoints = {
  read: () => Promise.resolve(null),
  write: () => Promise.resolve(),
};
