import type { BackupPlace } from './presets.js';
import { AWS_US_EAST_1, type Prices } from './prices.js';
import type { RetentionPolicy } from './retention.js';
import type { Schedule } from './schedule.js';
import { backupsPerMonth, MONTH_DAYS, steadyState, type SteadyState } from './steady-state.js';

export interface EstimateInput {
  schedule: Schedule;
  policy: RetentionPolicy;
  /** All files of one pair as they lie there: compressed, and encrypted where they are. */
  bytesPerBackup: number;
  /** Default: AWS_US_EAST_1. */
  prices?: Prices;
  /** Default: both. */
  place?: BackupPlace;
  /** At which age pairs move to the archive class; null or left out for never. */
  archiveAfterSeconds?: number | null;
  /** How long a bucket with versions keeps what was deleted; null or left out for not at all. */
  deletedKeptSeconds?: number | null;
  /** How often each pair is read to its end from S3 to verify it. Default: 1. */
  fullReads?: number;
}

export type CostItem = 'storage' | 'deleted-versions' | 'archive' | 'put' | 'list' | 'get' | 'transfer';

/** One line of a month's bill. */
export interface CostLine {
  item: CostItem;
  /** In plain words: "stored in S3". */
  label: string;
  /** How much of it in a month. */
  amount: number;
  unit: 'GB' | 'requests';
  /** The price of `per` units. */
  price: number;
  per: 1 | 1000;
  /** amount / per * price. */
  money: number;
}

export interface Estimate {
  backupsPerMonth: number;
  pairs: SteadyState;
  /** What lies there on average, in bytes. */
  bytes: {
    local: number;
    /** In the standard class, without deleted versions. */
    s3: number;
    s3DeletedVersions: number;
    s3Archive: number;
  };
  /** Of S3; empty where the backups stay local. */
  lines: CostLine[];
  moneyPerMonth: number;
  currency: string;
  /** What the numbers rest on, each a sentence. */
  assumes: string[];
  /** What is not in the sum, each a phrase. */
  notCounted: string[];
}

/** As S3 bills it. */
const GB = 2 ** 30;
/** Of a multipart upload. */
export const PART_BYTES = 8 * 2 ** 20;
/** The graph and the vectors; the manifest and the sidecars beside them are small. */
const DATA_FILES = 2;
/** The two data files, the manifest, the sidecar of its verification. */
const OBJECTS = 4;
/** A LIST answers with so many at most. */
const LIST_PAGE = 1000;
/** For each backup: before it is made, when it is verified, when older ones are pruned. */
const LISTS_PER_BACKUP = 3;
/** After an upload the size of each object is asked for. */
const HEADS_PER_BACKUP = 3;
/** Data files and manifest. */
const GETS_PER_FULL_READ = 3;
/** What pruning reads of each pair that lies there: manifest and sidecar. */
const GETS_PER_STORED_PAIR = 2;

/**
 * What a schedule and a policy store, ask and cost in a month, once they have run long enough. See `assumes` and `notCounted`
 * of the result; sums are not rounded.
 */
export function estimate(input: EstimateInput): Estimate {
  const { schedule, policy, bytesPerBackup, prices = AWS_US_EAST_1, place = 'both', fullReads = 1 } = input;
  const perMonth = backupsPerMonth(schedule);
  const pairs = steadyState(schedule, policy, input.archiveAfterSeconds ?? null);
  const inS3 = place !== 'local';
  // What is made is some day deleted, as often as it is made.
  const deleted = (perMonth / (MONTH_DAYS * 86_400)) * (input.deletedKeptSeconds ?? 0);
  const bytes = {
    local: place === 's3' ? 0 : pairs.typical * bytesPerBackup,
    s3: inS3 ? (pairs.typical - pairs.older) * bytesPerBackup : 0,
    s3DeletedVersions: inS3 && !pairs.endless ? deleted * bytesPerBackup : 0,
    s3Archive: inS3 ? pairs.older * bytesPerBackup : 0,
  };
  const lines = inS3
    ? [
        ...storageLines(bytes, prices),
        ...requestLines({ perMonth, pairs, bytesPerBackup, fullReads }, prices),
      ]
    : [];
  return {
    backupsPerMonth: perMonth,
    pairs,
    bytes,
    lines,
    moneyPerMonth: lines.reduce((sum, { money }) => sum + money, 0),
    currency: prices.currency,
    assumes: inS3 ? [...ASSUMED, ...assumptions(fullReads)] : [...ASSUMED],
    notCounted: inS3 ? [...NOT_COUNTED, ...NOT_COUNTED_IN_S3] : [...NOT_COUNTED],
  };
}

/** What a month of one pair's upload asks: parts and their begin and end, manifest and sidecar. */
function putsPerBackup(bytesPerBackup: number, fullReads: number): number {
  const half = bytesPerBackup / DATA_FILES;
  const parts = Math.max(1, Math.ceil(half / PART_BYTES));
  // What fits into one part is sent with one request.
  const data = parts === 1 ? 1 : parts + 2;
  return DATA_FILES * data + 1 + fullReads;
}

function storageLines(bytes: Estimate['bytes'], prices: Prices): CostLine[] {
  const { storageGbMonth, archiveGbMonth } = prices;
  const lines = [line('storage', 'stored in S3', bytes.s3 / GB, 'GB', storageGbMonth)];
  if (bytes.s3DeletedVersions > 0) {
    const label = 'deleted, kept as versions';
    lines.push(line('deleted-versions', label, bytes.s3DeletedVersions / GB, 'GB', storageGbMonth));
  }
  if (bytes.s3Archive > 0) {
    lines.push(line('archive', 'in the archive class', bytes.s3Archive / GB, 'GB', archiveGbMonth));
  }
  return lines;
}

interface Traffic {
  perMonth: number;
  pairs: SteadyState;
  bytesPerBackup: number;
  fullReads: number;
}

function requestLines({ perMonth, pairs, bytesPerBackup, fullReads }: Traffic, prices: Prices): CostLine[] {
  const puts = perMonth * putsPerBackup(bytesPerBackup, fullReads);
  const pages = Math.max(1, Math.ceil((pairs.typical * OBJECTS) / LIST_PAGE));
  const lists = perMonth * LISTS_PER_BACKUP * pages;
  const gets =
    perMonth * (HEADS_PER_BACKUP + GETS_PER_FULL_READ * fullReads + GETS_PER_STORED_PAIR * pairs.typical);
  const out = (perMonth * fullReads * bytesPerBackup) / GB;
  return [
    line('put', 'uploads: parts, manifests, sidecars', puts, 'requests', prices.put1000),
    line('list', 'listings', lists, 'requests', prices.put1000),
    line('get', 'reads: verification, sizes, what pruning must know', gets, 'requests', prices.get1000),
    line('transfer', 'read to verify', out, 'GB', prices.transferGb),
  ];
}

function line(
  item: CostItem,
  label: string,
  amount: number,
  unit: CostLine['unit'],
  price: number,
): CostLine {
  const per = unit === 'requests' ? 1000 : 1;
  return { item, label, amount, unit, price, per, money: (amount / per) * price };
}

const ASSUMED = [
  'Old pairs are pruned after every backup.',
  'Every backup is as large as this one.',
] as const;

/** Of S3. */
function assumptions(fullReads: number): string[] {
  const times = fullReads === 1 ? 'once' : `${fullReads} times`;
  return [
    fullReads === 0
      ? 'No pair is read to its end to verify it.'
      : `Each pair is read to its end ${times} from outside the region, to verify it; inside the region the transfer is free.`,
    'Uploads are in parts of 8 MiB, and the two halves are of the same size.',
  ];
}

const NOT_COUNTED = ['growth of the memories', 'the disk of the local copies'] as const;

const NOT_COUNTED_IN_S3 = [
  'free allowances and discounts for volume',
  'tax',
  'uploads that fail and are sent again',
  'keys of a key service (KMS)',
  'copies to a second region',
  'moving to an archive class, its least time of storage, and fetching from it',
  'reading pairs for drills and recoveries',
] as const;
