import type { CostLine } from '../../backup/keep/costs.js';
import { PERIODS } from '../../backup/keep/periods.js';
import type { RetentionPolicy } from '../../backup/keep/retention.js';
import { formatBytes, formatCount, formatNumberOf } from '../../report/format.js';
import { tableLines } from '../../report/table.js';
import { hangingLines } from '../../report/hanging.js';
import { wrapText } from '../../report/text.js';
import { formatDuration } from '../../settings/duration.js';
import type { BackupPlans, PlannedBackups } from './plan-backups.js';

/** Plans for scripts, a line each, then one of all. Fields are only ever added. */
export function planRecords({ plans, bytesPerBackup, sizeOf, prices, ownPrices }: BackupPlans): object[] {
  return [
    ...plans.map(({ name, purpose, schedule, policy, place, notes, estimate }) => ({
      type: 'plan',
      ...{ name, purpose, schedule: schedule.text, place, policy },
      backupsPerMonth: estimate.backupsPerMonth,
      pairs: estimate.pairs,
      bytes: estimate.bytes,
      requests: requestsOf(estimate.lines),
      lines: estimate.lines,
      moneyPerMonth: estimate.moneyPerMonth,
      currency: estimate.currency,
      ...{ assumes: estimate.assumes, notCounted: estimate.notCounted, notes },
    })),
    { type: 'plans', exitCode: 0, bytesPerBackup, sizeOf, prices, ownPrices },
  ];
}

function requestsOf(lines: readonly CostLine[]): number {
  return lines.filter(({ unit }) => unit === 'requests').reduce((sum, { amount }) => sum + amount, 0);
}

/** Several plans, side by side. */
export function comparedLines(all: BackupPlans, width: number): string[] {
  const rows = all.plans.map(({ name, schedule, place, policy, estimate }) => [
    name,
    schedule.text,
    place,
    formatCount(estimate.backupsPerMonth),
    storedCount(estimate.pairs),
    formatBytes(Object.values(estimate.bytes).reduce((sum, bytes) => sum + bytes, 0)),
    formatCount(requestsOf(estimate.lines)),
    money(estimate.moneyPerMonth, estimate.currency),
    policySays(policy),
  ]);
  const table = tableLines(
    [
      { title: 'plan', align: 'left' },
      { title: 'backups', align: 'left' },
      { title: 'place', align: 'left', drop: 2 },
      { title: 'a month', align: 'right', drop: 3 },
      { title: 'stored', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'requests', align: 'right', drop: 1 },
      { title: 'cost a month', align: 'right' },
      { title: 'keeps', align: 'left', drop: 4 },
    ],
    rows,
    width,
  );
  const assumes = new Set(all.plans.flatMap(({ estimate }) => estimate.assumes));
  const notCounted = new Set(all.plans.flatMap(({ estimate }) => estimate.notCounted));
  return [
    ...table,
    '',
    ...sentences(
      [
        sizeSays(all),
        pricesSay(all),
        ...[...assumes].map((text) => `Assumed: ${text}`),
        `Not counted: ${[...notCounted].join(', ')}.`,
        'One in full: lifeboat backup plan --preset NAME',
      ],
      width,
    ),
  ];
}

/** Longer lines are hard to read, however wide the terminal. */
const WIDEST = 100;

function sentences(texts: readonly string[], width: number): string[] {
  return texts.flatMap((text) => wrapText(text, Math.min(width, WIDEST)));
}

/** One plan in full. */
export function planLines(plan: PlannedBackups, all: BackupPlans, width: number): string[] {
  const { name, purpose, schedule, policy, place, notes, estimate } = plan;
  const { pairs, bytes, lines } = estimate;
  return [
    ...hangingLines('', `${name}: ${purpose}`, width),
    ...row(
      'backs up',
      `${schedule.describe()}, to ${PLACES[place]}; ${formatCount(estimate.backupsPerMonth)} a month`,
      width,
    ),
    ...row('keeps', policySays(policy), width),
    ...row(
      'stores',
      `${storedCount(pairs)} backups, ${pairs.most} at most${pairs.endless ? ', after a year: nothing is ever removed' : ''}`,
      width,
    ),
    ...bytesSay(bytes).flatMap((text) => row('', text, width)),
    ...lines.flatMap((line) => row(line.money.toFixed(2).padStart(11), costSays(line), width)),
    ...row('costs', `${money(estimate.moneyPerMonth, estimate.currency)} a month`, width),
    '',
    ...sentences(
      [
        sizeSays(all),
        ...(place === 'local' ? [] : [pricesSay(all)]),
        ...estimate.assumes.map((text) => `Assumed: ${text}`),
        `Not counted: ${estimate.notCounted.join(', ')}.`,
        ...(notes.length === 0 ? [] : ['', ...notes]),
      ],
      width,
    ),
  ];
}

const PLACES = { local: 'the local folder', s3: 'S3', both: 'the local folder and S3' } as const;

function row(title: string, text: string, width: number): string[] {
  return hangingLines(`  ${title.padEnd(11)}  `, text, width);
}

function bytesSay(bytes: PlannedBackups['estimate']['bytes']): string[] {
  const said: [number, string][] = [
    [bytes.local, 'in the local folder'],
    [bytes.s3, 'in S3'],
    [bytes.s3DeletedVersions, 'in S3, deleted and kept as versions'],
    [bytes.s3Archive, 'in S3, in the archive class'],
  ];
  return said.filter(([amount]) => amount > 0).map(([amount, where]) => `${formatBytes(amount)} ${where}`);
}

function costSays({ label, amount, unit, price, per }: CostLine): string {
  const much = unit === 'GB' ? formatBytes(amount * 2 ** 30) : formatNumberOf(amount, 'request', 'requests');
  const each = per === 1 ? 'a GB' : 'a thousand';
  return `${label}: ${much} at ${price} ${each}`;
}

function storedCount({ typical, atLeast }: PlannedBackups['estimate']['pairs']): string {
  return `${atLeast ? 'over ' : ''}${formatCount(typical)}`;
}

/** To a cent; what costs less says so. */
function money(amount: number, currency: string): string {
  if (amount > 0 && amount < 0.01) return `<0.01 ${currency}`;
  return `${amount.toFixed(2)} ${currency}`;
}

function sizeSays({ bytesPerBackup, sizeOf }: BackupPlans): string {
  const size = formatBytes(bytesPerBackup);
  return sizeOf === null ? `One backup has ${size}, as given.` : `One backup has ${size}, as ${sizeOf} has.`;
}

function pricesSay({ prices, ownPrices }: BackupPlans): string {
  const list = 'AWS list prices of us-east-1';
  const own = ownPrices.length === 0 ? '' : `; of the settings: ${ownPrices.join(', ')}`;
  return `Prices: ${list}, in ${prices.currency}${own}.`;
}

const PERIOD_NAMES = {
  hourly: 'hours',
  daily: 'days',
  weekly: 'weeks',
  monthly: 'months',
  yearly: 'years',
} as const;

/** A policy in a line. */
function policySays(policy: RetentionPolicy): string {
  const { keepLast, keepWithinSeconds, maxCount, maxAgeSeconds } = policy;
  const rules = [
    keepLast === 0 ? [] : `the last ${keepLast}`,
    keepWithinSeconds === null ? [] : `all of ${formatDuration(keepWithinSeconds)}`,
    PERIODS.flatMap((period) => (policy[period] === 0 ? [] : `${policy[period]} ${PERIOD_NAMES[period]}`)),
  ].flat();
  const limits = [
    maxCount === null ? [] : `at most ${maxCount}`,
    maxAgeSeconds === null ? [] : `none older than ${formatDuration(maxAgeSeconds)}`,
  ].flat();
  return [...(rules.length === 0 ? ['all'] : rules), ...limits].join(', ');
}
