import { takeInventory, type InventoryBackup } from '../../backup/inventory/inventory.js';
import { estimate, type Estimate } from '../../backup/keep/costs.js';
import {
  PRESET_NAMES,
  presetNamed,
  type BackupPlace,
  type PresetName,
  type StorageAdvice,
} from '../../backup/keep/presets.js';
import { AWS_US_EAST_1, type Prices } from '../../backup/keep/prices.js';
import type { RetentionPolicy } from '../../backup/keep/retention.js';
import { parseSchedule, type Schedule } from '../../backup/keep/schedule.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import { backupPlaces } from './places.js';

export interface PlanOptions {
  /** One preset; null for what is given besides, or for all presets beside the settings. */
  preset: PresetName | null;
  /** As parseSchedule reads it; null for that of the preset or the settings. */
  schedule: string | null;
  /** In place of that of the preset or the settings; null for theirs. */
  policy: RetentionPolicy | null;
  /** Of one backup; null for those of the newest there is. */
  bytes: number | null;
  now: Date;
}

/** One way to keep backups, and what it comes to in a month. */
export interface PlannedBackups {
  /** The name of a preset, or "settings" for what is set up or was asked for. */
  name: PresetName | 'settings';
  purpose: string;
  schedule: Schedule;
  policy: RetentionPolicy;
  place: BackupPlace;
  notes: readonly string[];
  estimate: Estimate;
}

export interface BackupPlans {
  /** One that was asked for; or the settings and all presets, to be compared. */
  plans: PlannedBackups[];
  bytesPerBackup: number;
  /** The backup that the size is of; null where it was given. */
  sizeOf: string | null;
  prices: Prices;
  /** Names of the prices that the settings give; the others are list prices. */
  ownPrices: string[];
}

/**
 * What schedules and retentions store, ask and cost in a month.
 *
 * @throws Failure (exit 2) for a schedule that is none, and where no backup tells its size and none is given
 */
export async function planBackups(settings: Settings, options: PlanOptions): Promise<BackupPlans> {
  const names = namesOf(options);
  const ways = names.map((name) => wayOf(name, settings, options));
  const size = options.bytes === null ? await newestSize(settings, options.now) : null;
  const bytesPerBackup = options.bytes ?? size?.bytes;
  if (bytesPerBackup === undefined) throw noSize();
  const { prices, ownPrices } = pricesOf(settings);
  return {
    plans: ways.map(({ storage, ...way }) => ({
      ...way,
      estimate: estimate({
        ...{ schedule: way.schedule, policy: way.policy, place: way.place, bytesPerBackup, prices },
        archiveAfterSeconds: storage?.archiveAfterSeconds ?? null,
        deletedKeptSeconds: storage?.deletedKeptSeconds ?? null,
      }),
    })),
    bytesPerBackup,
    sizeOf: size?.timestamp ?? null,
    prices,
    ownPrices,
  };
}

function namesOf({ preset, schedule, policy }: PlanOptions): (PresetName | 'settings')[] {
  if (preset !== null) return [preset];
  return schedule === null && policy === null ? ['settings', ...PRESET_NAMES] : ['settings'];
}

type Way = Omit<PlannedBackups, 'estimate'> & { storage: StorageAdvice | null };

function wayOf(name: PresetName | 'settings', settings: Settings, { schedule, policy }: PlanOptions): Way {
  const preset = name === 'settings' ? null : presetNamed(name);
  const asked = schedule !== null || policy !== null;
  return {
    name,
    purpose: preset?.purpose ?? (asked ? 'as asked for' : 'as it is set up'),
    schedule: parseSchedule(schedule ?? preset?.schedule ?? settings.schedule.backup),
    policy: policy ?? preset?.policy ?? settings.retention,
    place: preset?.place ?? placeOf(settings),
    notes: preset?.notes ?? [],
    storage: preset?.storage ?? null,
  };
}

function placeOf({ backups }: Settings): BackupPlace {
  return backups.to ?? (backups.s3 === null ? 'local' : 'both');
}

/** The newest complete backup of both of AutoMem's stores, of backups from new to old; null for none. */
export function newestWhole(backups: readonly InventoryBackup[]): InventoryBackup | null {
  return (
    backups.find(
      ({ kind, complete, only, fromFuture }) =>
        kind === 'automem' && complete && only === null && !fromFuture,
    ) ?? null
  );
}

/** Of the newest whole one: half a backup, or a broken one, would promise too little. */
async function newestSize(
  settings: Settings,
  now: Date,
): Promise<{ bytes: number; timestamp: string } | null> {
  const { backups, places } = await takeInventory(backupPlaces(settings, null), now);
  const newest = newestWhole(backups);
  const unreachable = places.find(({ failure }) => failure !== null)?.failure ?? null;
  if (newest === null && unreachable !== null) throw unreachable;
  return newest;
}

function pricesOf({ prices }: Settings): { prices: Prices; ownPrices: string[] } {
  const own = Object.entries(prices).filter(([, price]) => price !== null);
  return {
    prices: { ...AWS_US_EAST_1, ...(Object.fromEntries(own) as Partial<Prices>) },
    ownPrices: own.map(([name]) => name),
  };
}

function noSize(): Failure {
  return new Failure({
    operation: 'plan the backups',
    subject: '--bytes',
    reason: 'there is no complete backup yet whose size could be taken',
    hint: 'Say how large one is, such as --bytes 250MB, or make one with: lifeboat backup create',
    exitCode: ExitCode.usage,
    code: 'backup-size-unknown',
  });
}
