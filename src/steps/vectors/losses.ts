import type { RunWork } from '../step.js';

/** What the loss of vectors is about, by which a later round finds it. */
export const WITHOUT_VECTOR = 'have no vector of their content';

/** Tells a loss in place of what was told of the same before: a number that a later round knows better. */
export function tellLoss(work: RunWork, subject: string, text: string): void {
  takeBackLoss(work, subject);
  work.losses.push(text);
}

/** A later round made it good. */
export function takeBackLoss(work: RunWork, subject: string): void {
  work.losses = work.losses.filter((loss) => !loss.includes(subject));
}
