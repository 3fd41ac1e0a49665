import { Failure } from '../../failure.js';
import { InvalidJson, parseJson } from '../../memory/json.js';
import { isMap } from '../../memory/values.js';
import { FILE_FAILURES, type Archive } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { NOTE_BYTES, readBeside } from '../beside-file.js';
import { besidePath } from '../layout.js';
import { sqliteBesidePath } from '../sqlite/names.js';

/** A backup, as far as its pin goes. */
export interface Pinnable {
  kind: 'automem' | 'sqlite';
  /** The folder that it lies in: "" or a prefix that ends in "/". */
  base: string;
  /** `YYYYMMDD_HHMMSS`, UTC. */
  timestamp: string;
}

/** Why a backup is never pruned. */
export interface Pin {
  /** ISO-8601; null where the note cannot be read. */
  at: string | null;
  by: string | null;
  reason: string | null;
}

const UNREADABLE: Pin = { at: null, by: null, reason: null };

/**
 * The pin of a backup. A note that cannot be read pins: better a backup too many.
 *
 * @returns null where there is none
 * @throws Failure when the place cannot be read
 */
export async function readPin(archive: Archive, backup: Pinnable): Promise<Pin | null> {
  try {
    const text = await readBeside(archive, pathOf(backup), NOTE_BYTES);
    if (text === null) return null;
    const value = parseJson(text);
    if (!isMap(value)) return UNREADABLE;
    const textOf = (name: string): string | null => (typeof value[name] === 'string' ? value[name] : null);
    return { at: textOf('at'), by: textOf('by'), reason: textOf('reason') };
  } catch (error) {
    if (error instanceof InvalidJson) return UNREADABLE;
    if (error instanceof Failure && FILE_FAILURES.has(error.code)) return UNREADABLE;
    throw error;
  }
}

/** Pins a backup, or says anew why. @throws Failure when the place does not take it */
export async function writePin(archive: WritableArchive, backup: Pinnable, pin: Pin): Promise<void> {
  const file = await archive.create(pathOf(backup), { replace: true });
  try {
    await file.write(Buffer.from(`${JSON.stringify(pin, null, 1)}\n`));
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** Takes the pin away; without one nothing happens. @throws Failure when the place does not let it go */
export async function removePin(archive: WritableArchive, backup: Pinnable): Promise<void> {
  await archive.remove(pathOf(backup));
}

function pathOf({ kind, base, timestamp }: Pinnable): string {
  return base + (kind === 'sqlite' ? sqliteBesidePath : besidePath)('pinned', timestamp);
}
