import { ExitCode, Failure } from '../../failure.js';
import type { RetentionPolicy } from './retention.js';

export type BackupPlace = 'local' | 's3' | 'both';

/** How a bucket is to be set up; all null or false where backups stay on the machine. */
export interface StorageAdvice {
  /** S3 versioning: what was overwritten or deleted can be brought back. */
  readonly versioned: boolean;
  /** How long a bucket with versions keeps what was deleted; null where it does not. */
  readonly deletedKeptSeconds: number | null;
  /** At which age the halves of a pair move to an archive class; null for never. */
  readonly archiveAfterSeconds: number | null;
}

/** A schedule, a retention and a place that go together. */
export interface BackupPreset {
  readonly name: PresetName;
  /** Whom it is for, in a few words. */
  readonly purpose: string;
  /** As parseSchedule reads it. */
  readonly schedule: string;
  readonly policy: RetentionPolicy;
  readonly place: BackupPlace;
  readonly storage: StorageAdvice;
  /** What to set up besides, each a sentence. */
  readonly notes: readonly string[];
}

export const PRESET_NAMES = ['personal', 'team', 'production', 'enterprise'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

const DAY = 86_400;

/** Everything of so many days, and at least three pairs. */
function allOf(days: number): RetentionPolicy {
  return {
    keepLast: 0,
    keepWithinSeconds: days * DAY,
    hourly: 0,
    daily: 0,
    weekly: 0,
    monthly: 0,
    yearly: 0,
    maxCount: null,
    maxAgeSeconds: null,
    minimum: 3,
  };
}

const PLAIN: StorageAdvice = { versioned: false, deletedKeptSeconds: null, archiveAfterSeconds: null };

const PRESETS: Readonly<Record<PresetName, BackupPreset>> = {
  personal: {
    name: 'personal',
    purpose: 'one person, one machine',
    schedule: 'daily',
    policy: allOf(7),
    place: 'local',
    storage: PLAIN,
    notes: [
      'Up to a day of memories can be lost.',
      'The backups lie on one disk: copy the folder to another machine or disk now and then.',
    ],
  },
  team: {
    name: 'team',
    purpose: 'a few people who rely on it at work',
    schedule: 'every 6h',
    policy: allOf(14),
    place: 'both',
    storage: PLAIN,
    notes: [
      'Up to six hours of memories can be lost.',
      'The local copy makes recovery fast, the one in S3 survives the machine.',
      'Let a lifecycle rule of the bucket abort multipart uploads that were not finished within a day.',
    ],
  },
  production: {
    name: 'production',
    purpose: 'a service that others depend on',
    schedule: 'every 6h',
    policy: allOf(30),
    place: 's3',
    storage: { versioned: true, deletedKeptSeconds: 7 * DAY, archiveAfterSeconds: null },
    notes: [
      'Up to six hours of memories can be lost; with "every 1h" one hour, at about six times the storage.',
      'Turn on versioning, so that what was overwritten or deleted by mistake can be brought back.',
      'Versions of what was deleted cost as before: let a lifecycle rule remove them after 7 days.',
      'Let a lifecycle rule of the bucket abort multipart uploads that were not finished within a day.',
      'Encrypt the backups, and keep the age identity where the bucket is not.',
    ],
  },
  enterprise: {
    name: 'enterprise',
    purpose: 'a service with duties to keep what it knew',
    schedule: 'hourly',
    policy: { ...allOf(90), monthly: 12 },
    place: 's3',
    storage: { versioned: true, deletedKeptSeconds: 7 * DAY, archiveAfterSeconds: 90 * DAY },
    notes: [
      'Up to an hour of memories can be lost.',
      'Every backup of 90 days stays, and after that the newest of each of 12 months, in an archive class.',
      'Let a lifecycle rule move only the folders falkordb/ and qdrant/ to the archive class after 90 days: the manifests must stay readable.',
      'An archived pair must be restored in S3 before it can be verified or recovered from, which takes hours.',
      'Turn on versioning, and let a lifecycle rule remove versions of what was deleted after 7 days.',
      'Object Lock for 90 days keeps the backups from being deleted by anyone; pruning waits for it.',
      'Encrypt the backups, and keep the age identity where the bucket is not.',
    ],
  },
};

/**
 * A preset by its name.
 *
 * @throws Failure (exit 2) that names the presets there are
 */
export function presetNamed(text: string): BackupPreset {
  const name = PRESET_NAMES.find((known) => known === text.trim().toLowerCase());
  if (name !== undefined) return PRESETS[name];
  throw new Failure({
    operation: 'find the preset',
    subject: text,
    reason: 'there is none of that name',
    hint: `Choose one of ${PRESET_NAMES.join(', ')}.`,
    exitCode: ExitCode.usage,
    code: 'preset-unknown',
  });
}
