import type { Archive } from '../../stores/archive/archive.js';
import type { Half, PairProblem } from './pair-problems.js';
import type { BackupFile, BackupPair } from '../types.js';
import type { PairVerification } from './verify-pair.js';

/** Of a half that no key opens. */
const LOCKED = 'backup-key';

/** Checks one pair; see verifyPair. `mixed` when its halves are of different runs. */
export type VerifyOne = (archive: Archive, pair: BackupPair, mixed: boolean) => Promise<PairVerification>;

export interface ChooseOptions {
  /** Puts the newest sound graph half and the newest sound vector half together, though of different runs. */
  allowMixed?: boolean;
  /** Told of each pair that is passed over, when it is. */
  onPassedOver?: (passed: PassedOver) => void;
}

export interface PassedOver {
  timestamp: string;
  /** All that is fatal in it, in plain words. */
  reasons: string[];
  /** It is encrypted, and no key opens it: nothing is known of what it holds. */
  locked?: true;
}

/** Two halves of different runs that are sound each for itself. */
export interface Mixture {
  graph: string;
  vectors: string;
  /** What using them means, in plain words. */
  warning: string;
}

export interface PairChoice {
  /** Null where nothing can be used. */
  pair: BackupPair | null;
  verification: PairVerification | null;
  passedOver: PassedOver[];
  /** Set when `pair` is made of two runs: it must be said wherever the pair is named. */
  mixed: Mixture | null;
  /** A newer state that `allowMixed` would bring; null where there is none, or where it was taken. */
  offer: Mixture | null;
}

/**
 * Walks from the newest pair to the older ones and returns the first that verifies, with the reasons for those passed over.
 * Files of different runs are put together only where `allowMixed` says so, and then the result says so too.
 *
 * @param pairs newest first, as the catalogue gives them; those from the future are passed over
 * @throws whatever `verify` throws: a place that cannot be read is no reason to go on to an older backup
 */
export async function newestSoundPair(
  archive: Archive,
  pairs: readonly BackupPair[],
  verify: VerifyOne,
  options: ChooseOptions = {},
): Promise<PairChoice> {
  const walk: Walk = { passedOver: [], graph: null, vectors: null };
  const sound = await walkToSound(archive, pairs, verify, options, walk);
  const mixture = mixtureOf(walk);
  const choice = { ...sound, passedOver: walk.passedOver, mixed: null, offer: mixture?.facts ?? null };
  if (mixture === null || options.allowMixed !== true) return choice;
  const verification = await verify(archive, mixture.pair, true);
  if (!verification.sound) {
    passOver(walk, options, `${mixture.facts.graph} with ${mixture.facts.vectors}`, verification.problems);
    return { ...choice, offer: null };
  }
  return {
    pair: mixture.pair,
    verification,
    passedOver: walk.passedOver,
    mixed: mixture.facts,
    offer: null,
  };
}

interface Walk {
  passedOver: PassedOver[];
  /** The newest pair whose half is sound. */
  graph: BackupPair | null;
  vectors: BackupPair | null;
}

async function walkToSound(
  archive: Archive,
  pairs: readonly BackupPair[],
  verify: VerifyOne,
  options: ChooseOptions,
  walk: Walk,
): Promise<{ pair: BackupPair | null; verification: PairVerification | null }> {
  for (const pair of pairs) {
    if (pair.fromFuture === true) {
      pass(walk, options, { timestamp: pair.timestamp, reasons: ['its timestamp lies in the future'] });
      continue;
    }
    const verification = await verify(archive, pair, false);
    const { problems } = verification;
    if (isHalfSound(pair.graph, problems, 'graph')) walk.graph ??= pair;
    if (isHalfSound(pair.vectors, problems, 'vectors')) walk.vectors ??= pair;
    if (verification.sound) return { pair, verification };
    passOver(walk, options, pair.timestamp, problems);
  }
  return { pair: null, verification: null };
}

/** Problems between the halves tell against both: which of them is the wrong one cannot be known. */
function isHalfSound(file: BackupFile | null, problems: readonly PairProblem[], name: Half): boolean {
  return (
    file !== null &&
    problems.every(({ severity, half }) => severity !== 'fatal' || (half !== null && half !== name))
  );
}

function passOver(
  walk: Walk,
  options: ChooseOptions,
  timestamp: string,
  problems: readonly PairProblem[],
): void {
  const fatal = problems.filter(({ severity }) => severity === 'fatal');
  const locked = fatal.some(({ code }) => code === LOCKED) ? ({ locked: true } as const) : {};
  pass(walk, options, { timestamp, reasons: fatal.map(({ message }) => message), ...locked });
}

function pass(walk: Walk, options: ChooseOptions, passed: PassedOver): void {
  walk.passedOver.push(passed);
  options.onPassedOver?.(passed);
}

/** The newest sound halves, where they are of different runs. */
function mixtureOf({ graph, vectors }: Walk): { pair: BackupPair; facts: Mixture } | null {
  if (graph === null || vectors === null || graph === vectors) return null;
  const older = graph.timestamp < vectors.timestamp ? graph : vectors;
  return {
    pair: {
      timestamp: older.timestamp,
      takenAt: older.takenAt,
      graph: graph.graph,
      vectors: vectors.vectors,
      graphVerdict: graph.graphVerdict,
      vectorsVerdict: vectors.vectorsVerdict,
    },
    facts: {
      graph: graph.timestamp,
      vectors: vectors.timestamp,
      warning:
        `The graph is of the backup ${graph.timestamp}, the vectors are of ${vectors.timestamp}: ` +
        'memories written, changed or deleted between the two differ in the stores and must be reconciled.',
    },
  };
}
