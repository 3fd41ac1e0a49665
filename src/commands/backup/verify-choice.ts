import { isFromFuture } from '../../backup/catalogue.js';
import type { SqliteBackupFile } from '../../backup/sqlite/names.js';
import type { BackupPair } from '../../backup/types.js';
import { sourceOf } from './find-sqlite.js';
import { noneNamed, type ReadablePlace, type ReadablePlaces } from './readable-places.js';
import { chosenBackup, isOf, type WhichStores } from './which-backups.js';

/** A copy of a backup that is to be looked at. */
export type ChosenCopy = {
  place: ReadablePlace;
  timestamp: string;
  fromFuture: boolean;
  /** Read only where it matters. */
  source: string | null;
} & ({ kind: 'automem'; pair: BackupPair } | { kind: 'sqlite'; file: SqliteBackupFile });

/** Which backups are meant. */
export interface WhichCopies {
  /** A timestamp, or "latest"; null for all that there are. */
  name: string | null;
  stores: WhichStores | null;
  /** What the path of a store is relative to. */
  cwd: string;
}

/**
 * The copies of the backups that are meant, newest first, the same backup at all places one after the other.
 *
 * @throws Failure (exit 4) where there is none of it; (exit 2) where a timestamp is that of several
 */
export async function chooseCopies(
  operation: string,
  readable: ReadablePlaces,
  { name, stores, cwd }: WhichCopies,
): Promise<ChosenCopy[]> {
  const isPath = stores !== null && stores.path !== null;
  const isMeant = stores === null ? () => true : isOf(stores, cwd);
  const copies: ChosenCopy[] = [];
  for (const place of readable.places) copies.push(...(await copiesAt(place, isPath)).filter(isMeant));
  copies.sort((a, b) => (a.timestamp === b.timestamp ? 0 : a.timestamp < b.timestamp ? 1 : -1));
  const chosen = chosenBackup(operation, copies, name ?? 'latest');
  if (chosen === undefined) throw noneNamed(operation, readable, name ?? 'latest', copies.length > 0);
  const { kind, timestamp } = chosen;
  return name === null ? copies : copies.filter((one) => one.kind === kind && one.timestamp === timestamp);
}

async function copiesAt(place: ReadablePlace, withSources: boolean): Promise<ChosenCopy[]> {
  const now = new Date();
  const copies: ChosenCopy[] = place.pairs.map((pair) => ({
    ...{ kind: 'automem' as const, place, source: null, pair },
    ...{ timestamp: pair.timestamp, fromFuture: pair.fromFuture === true },
  }));
  for (const file of place.stores) {
    const source = withSources ? await sourceOf({ archive: place.writable, file }) : null;
    const { timestamp, takenAt } = file;
    const fromFuture = isFromFuture(new Date(takenAt), now);
    copies.push({ kind: 'sqlite', place, source, file, timestamp, fromFuture });
  }
  return copies;
}
