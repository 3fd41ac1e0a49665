import { newestSoundPair, type PassedOver, type PairChoice } from '../backup/pair/choose-pair.js';
import type { Half } from '../backup/pair/pair-problems.js';
import { verifyPair, type PairVerification } from '../backup/pair/verify-pair.js';
import type { BackupPair } from '../backup/types.js';
import { ExitCode, Failure } from '../failure.js';
import type { Archive } from '../stores/archive/archive.js';

/** What is read of a backup. */
export type Halves = 'both' | Half;

/** Where a sound backup is looked for, and what it has to be a backup of. */
export interface BackupSearch {
  archive: Archive;
  /** Newest first. */
  pairs: readonly BackupPair[];
  graphName: string;
  collection: string;
  excludedTypes: ReadonlySet<string>;
  /** The operator named the backup: no other one takes its place. */
  isNamed: boolean;
  /** Results of this process: no file is read a second time. Later reads of one that changed since fail by themselves. */
  verified: Map<string, PairVerification>;
  signal: AbortSignal;
  /** The command of the run, to which other options can be added. */
  again: string;
  /** Told the bytes of JSON that were read so far. */
  onBytes?: (bytes: number) => void;
}

export type SoundChoice = Pick<PairChoice, 'pair' | 'verification' | 'passedOver'>;

/** Reasons that are named of many. */
const NAMED = 5;

/** What opens an encrypted backup; what is to be done begins with it. */
const SET_KEY = 'Set LIFEBOAT_AGE_IDENTITY to the key file, then run this again.';

/**
 * Reads the backup to its end, and where it must not be used the ones before it, until one is sound.
 *
 * @param first the newest that was found usable so far; null where there is none
 * @throws Failure `backup-key` (exit 2) where one that would be used is encrypted and no key opens it: what is older, or
 *   nothing, is taken in its place only on purpose
 */
export async function chooseSound(
  search: BackupSearch,
  first: BackupPair | null,
  halves: Halves,
): Promise<SoundChoice> {
  const { archive, isNamed } = search;
  if (!isNamed) refuseLocked(search, first, halves);
  if (first === null) return { pair: null, verification: null, passedOver: [] };
  const verify = verifier(search, halves);
  if (isNamed) {
    // Named, it is used even if it comes from the future.
    const verification = await verify(archive, first);
    if (verification.problems.some(({ code }) => code === 'backup-key'))
      throw lockedBackup(first.timestamp, search.again);
    if (verification.sound) return { pair: first, verification, passedOver: [] };
    return { pair: null, verification: null, passedOver: [passedNamed(first, verification)] };
  }
  const older = search.pairs.slice(search.pairs.findIndex(({ timestamp }) => timestamp === first.timestamp));
  return newestSoundPair(archive, older, verify, {
    onPassedOver: ({ timestamp, locked }) => {
      if (locked === true) throw lockedBackup(timestamp, search.again);
    },
  });
}

/** @throws Failure `backup-key` where a backup newer than the one in hand is encrypted and no key opens it */
export function refuseLocked(
  { pairs, again }: Pick<BackupSearch, 'pairs' | 'again'>,
  first: BackupPair | null,
  halves: Halves,
): void {
  const at = first === null ? -1 : pairs.findIndex(({ timestamp }) => timestamp === first.timestamp);
  const newer = at < 0 ? pairs : pairs.slice(0, at);
  const locked = newer.find(
    ({ graphVerdict, vectorsVerdict }) =>
      (halves !== 'vectors' && graphVerdict.locked === true) ||
      (halves !== 'graph' && vectorsVerdict.locked === true),
  );
  if (locked !== undefined) throw lockedBackup(locked.timestamp, again);
}

/** @param again the command, to which other options can be added */
export function lockedBackup(timestamp: string, again: string): Failure {
  return new Failure({
    operation: 'use the backup',
    subject: timestamp,
    reason: 'it is encrypted, and LIFEBOAT_AGE_IDENTITY names no key that opens it',
    hint: `${SET_KEY} Nothing was changed. To go on without it on purpose: ${again} --backup none`,
    exitCode: ExitCode.usage,
    code: 'backup-key',
  });
}

function verifier(search: BackupSearch, halves: Halves) {
  const { graphName, collection: collectionName, excludedTypes, signal, verified } = search;
  let bytes = 0;
  const onBytes = (read: number): void => {
    bytes += read;
    search.onBytes?.(bytes);
  };
  return async (archive: Archive, pair: BackupPair): Promise<PairVerification> => {
    const key = `${pair.timestamp} ${halves}`;
    const known = verified.get(key);
    if (known !== undefined) return known;
    const asked = { graphName, collectionName, excludedTypes, signal, halves, onBytes };
    const verification = await verifyPair(archive, pair, asked);
    verified.set(key, verification);
    return verification;
  };
}

function passedNamed(pair: BackupPair, { problems }: PairVerification): PassedOver {
  const fatal = problems.filter(({ severity }) => severity === 'fatal');
  return { timestamp: pair.timestamp, reasons: fatal.map(({ message }) => message) };
}

/** "the graph half …; the vector half …". */
export function reasonsSay({ reasons }: Pick<PassedOver, 'reasons'>): string {
  return reasons.slice(0, NAMED).join('; ');
}

/** What was wrong with each backup that was passed over. */
function passedOverSays(passedOver: readonly PassedOver[]): string {
  return passedOver.map((passed) => `${passed.timestamp}: ${reasonsSay(passed)}`).join('. ');
}

/** That nothing can be taken of any backup, before anything was changed. */
export function unsoundBackup(
  passedOver: readonly PassedOver[],
  search: Pick<BackupSearch, 'isNamed' | 'graphName' | 'pairs' | 'again'>,
  halves: Halves | null,
): Failure {
  const [first] = passedOver;
  const half = halves === 'both' && first !== undefined ? halfOf(first.timestamp, search.graphName) : '';
  const other = search.isNamed
    ? insteadOf(first?.timestamp ?? '', search)
    : 'Look for backups elsewhere (AUTOMEM_BACKUP_DIR, AUTOMEM_S3_BUCKET, --file).';
  return new Failure({
    operation: 'verify the backup',
    subject: first?.timestamp ?? 'no backup',
    reason: passedOver.length === 0 ? 'there is none' : passedOverSays(passedOver),
    hint: ['Nothing was changed.', other, half].filter((text) => text !== '').join('\n'),
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'backup-unsound',
  });
}

/** How the sound half of a backup is restored alone, each command on its own. */
function halfOf(timestamp: string, graphName: string): string {
  const confirm = `--confirm ${graphName}`;
  const restore = (half: Half): string =>
    `lifeboat recover restore-backup --only ${half} --backup ${timestamp} ${confirm}`;
  return [
    `Where only its vector half is damaged: ${restore('graph')}`,
    `Then: lifeboat recover reembed-vectors ${confirm}`,
    `Where only its graph half is damaged: ${restore('vectors')}`,
    `Then: lifeboat recover rebuild-graph ${confirm}`,
  ].join('\n');
}

/** What to name in place of a backup that cannot be used: the one before it, else the newest other one. */
export function insteadOf(
  timestamp: string,
  { pairs, again }: Pick<BackupSearch, 'pairs' | 'again'>,
): string {
  const others = pairs.filter((pair) => pair.timestamp !== timestamp && pair.fromFuture !== true);
  const other = others.find((pair) => pair.timestamp < timestamp) ?? others[0];
  return other === undefined
    ? `There is no other backup here. To go on without one: ${again} --backup none`
    : `To use the backup ${other.timestamp}: ${again} --backup ${other.timestamp}. To use the newest that proves sound: ${again} --backup latest`;
}
