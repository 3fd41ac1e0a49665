import type { PairProblem } from '../pair/pair-problems.js';

/**
 * What a verification says of a backup. Unproven: nothing speaks against it, and not all that was to be looked at could be,
 * as where no key on this machine opens it.
 */
export type Verdict = 'sound' | 'unproven' | 'not-sound';

/** What verifications of all kinds of backups tell. */
export interface Verified {
  ok: boolean;
  /** No key that was there opens it. */
  noKey: boolean;
  problems: readonly PairProblem[];
  unproven: readonly string[];
  /** Null where there is none that proves itself. */
  manifest: object | null;
  /** Null where its records were not read. */
  content: object | null;
}

/** The one word that it comes to. */
export function verdictOf({ ok, problems }: Pick<Verified, 'ok' | 'problems'>): Verdict {
  if (ok) return 'sound';
  return problems.some(({ severity }) => severity !== 'note') ? 'not-sound' : 'unproven';
}

/**
 * Whether its records could not be read, and its files, as they lie there, are those that the manifest describes: what a quick
 * look proves.
 */
export function isProvenQuick(verified: Verified): boolean {
  return verdictOf(verified) === 'unproven' && verified.content === null && verified.manifest !== null;
}

/** Why it is not sound, in one sentence; null where it is. */
export function reasonOf({ ok, problems, unproven }: Verified): string | null {
  if (ok) return null;
  return problems.find(({ severity }) => severity !== 'note')?.message ?? unproven[0] ?? null;
}
