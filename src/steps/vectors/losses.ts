import type { RunWork } from '../step.js';

/** What the loss of vectors is about, by which a later round finds it. */
export const WITHOUT_VECTOR = 'have no vector of their content';

/** Tells a loss in place of what was told of the same before: a number that a later round knows better. */
export function tellLoss(work: RunWork, subject: string, text: string): void {
  keep(work, [...without(work, subject), text]);
}

/** Tells a loss once, however often it is found. */
export function tellLossOnce(work: RunWork, text: string): void {
  if (!work.losses.includes(text)) keep(work, [...work.losses, text]);
}

/** A later round made it good. */
export function takeBackLoss(work: RunWork, subject: string): void {
  const left = without(work, subject);
  if (left.length < work.losses.length) keep(work, left);
}

function without({ losses }: RunWork, subject: string): string[] {
  return losses.filter((loss) => !loss.includes(subject));
}

function keep(work: RunWork, losses: readonly string[]): void {
  work.journalLosses(losses);
  work.losses = losses;
}
