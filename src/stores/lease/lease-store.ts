import { createHash } from 'node:crypto';

import { ExitCode, Failure } from '../../failure.js';

/** What a run writes down about itself when it takes the lease. */
export interface LeaseClaim {
  run: string;
  /** "recover", "drill". */
  command: string;
  /** user@host, for people. */
  owner: string;
  host: string;
  pid: number;
  /** Start time of the process, in ticks since boot: a pid alone may have been given to another process since. */
  processStarted: string | null;
  /** Boot and pid namespace in which the pid counts: containers may share a host name, and not their pids. */
  processSpace: string | null;
  /** ISO-8601, by the holder's clock: for people, nothing is decided by it. */
  since: string;
  /** ISO-8601 of the last sign of life, by the holder's clock: for people, nothing is decided by it. */
  heartbeat: string;
  /** How long the lease holds without a sign of life. */
  ttlSeconds: number;
}

/** A lease that is held. */
export interface LeaseRecord extends LeaseClaim {
  /** The fencing token: every taking of the lease has a greater one than all before it, also after a release. */
  token: number;
}

/** What a place says about its lease. */
export interface HeldLease {
  record: LeaseRecord;
  /** Names this state of the record, for compare-and-swap; changes with every heartbeat. */
  version: string;
  /** Milliseconds since the last heartbeat, by the clock of the place. */
  ageMs: number;
  /** Milliseconds until the lease runs out, by the clock of the place; zero or less: it has. */
  expiresInMs: number;
}

/** A lease just taken. */
export interface TakenLease {
  record: LeaseRecord;
  version: string;
}

/**
 * One place that keeps a lease. Every change is a compare-and-swap: of several processes that try the same at the same
 * time, one succeeds. Time is measured by the clock of the place, never by that of a holder.
 *
 * All methods throw a Failure where the lease cannot be kept there: unreachable, read-only, no rights, full. One with
 * the code `lease-unreadable` says that something else lies in the lease's place, and how to remove it.
 */
export interface LeaseStore {
  /** For people: "the graph server 10.0.0.5:6379, key {memories}:lifeboat-lease". */
  readonly place: string;
  /** The lease and its holder, also one that has run out but was not released; null where it is free. */
  read(): Promise<HeldLease | null>;
  /**
   * Takes the lease with a new token.
   *
   * @param over version of the record that is taken over; null takes a free lease
   * @returns null where the lease is in another state than `over` says: somebody was quicker
   */
  take(claim: LeaseClaim, over: string | null): Promise<TakenLease | null>;
  /** Writes a heartbeat. @returns the new version; null where `version` is no longer what is kept */
  renew(version: string, record: LeaseRecord): Promise<string | null>;
  /** Frees the lease. @returns false where `version` is no longer what is kept */
  release(version: string): Promise<boolean>;
  /** Lets go of connections; the lease stays as it is. */
  close(): void;
}

/** Something that is no lease lies where the lease belongs. No place is passed over for it. */
export function unreadableLease(place: string, reason: string, remove: string): Failure {
  return new Failure({
    operation: 'read the lease',
    subject: place,
    reason,
    hint: `Make sure that no recovery is under way, remove it with \`${remove}\`, and run the command again.`,
    exitCode: ExitCode.failed,
    code: 'lease-unreadable',
  });
}

/** What a place keeps: the record of the lease, and whether it was released. The token outlives the release. */
export interface LeaseEntry {
  record: LeaseRecord;
  released: boolean;
}

/**
 * The token of the next lease. The clock is only its floor: where a place lost what it kept, and the last token with it,
 * tokens must not begin anew and meet those that are still about.
 */
export function nextToken(last: number): number {
  return Math.max(last + 1, Date.now());
}

/** Text of a record, as every place keeps it. */
export function printEntry(record: LeaseRecord, released = false): string {
  return `${JSON.stringify(released ? { ...record, released } : record)}\n`;
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isTextOrNull = (value: unknown): boolean => value === null || isText(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;

const FIELDS: Readonly<Record<keyof LeaseRecord, (value: unknown) => boolean>> = {
  run: isText,
  command: isText,
  owner: isText,
  host: isText,
  pid: isCount,
  processStarted: isTextOrNull,
  processSpace: isTextOrNull,
  since: isText,
  heartbeat: isText,
  ttlSeconds: (value) => typeof value === 'number' && value > 0,
  token: isCount,
};

/** Reads what a place keeps; null where it is no record of a lease. */
export function parseEntry(text: string): LeaseEntry | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const fields = value as Record<string, unknown>;
  if (!Object.entries(FIELDS).every(([name, isValid]) => isValid(fields[name]))) return null;
  const { released, ...record } = fields;
  return { record: record as unknown as LeaseRecord, released: released === true };
}

/** A name for files and keys that tells services apart: readable, and never the same for two of them. */
export function leaseName(parts: readonly (string | number)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8);
  const readable = parts.map((part) => String(part).replace(/[^A-Za-z0-9.-]+/g, '-')).join('_');
  return `${readable.slice(0, 100)}-${hash}`;
}
