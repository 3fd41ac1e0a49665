import { formatDuration } from './duration.js';
import type { Resolver } from './resolve.js';
import { REDACTED, withoutCredentials } from './redact.js';
import type { Setting, Settings } from './types.js';
import { VARIABLES, type Variable, type VariableName } from './variables.js';

/** Effective values that are not the text of their variable. */
export type Derived = Partial<Record<VariableName, { value: string; origin?: string }>>;

/** Every setting with its text and where it was set. Holds no secret. */
export function listSettings(
  vars: Resolver,
  derived: Derived,
  config: FromFile,
  lines: ReadonlyMap<string, number>,
): Setting[] {
  const names = Object.keys(VARIABLES) as VariableName[];
  const fromVariables = names.map((name): Setting => {
    const { secret, description }: Variable = VARIABLES[name];
    const { foundAs, text, origin } = vars.find(name);
    const from = foundAs === null || foundAs === name ? origin : `${foundAs} in ${origin}`;
    const shown = derived[name]?.value ?? text;
    return {
      name,
      value: shown === null ? null : secret ? REDACTED : withoutCredentials(shown),
      origin: derived[name]?.origin ?? from,
      secret,
      description,
    };
  });
  return [...fromVariables, ...fromConfig(config, lines)];
}

/** What stands in lifeboat.config.yaml alone. */
type FromFile = Pick<
  Settings,
  'objectives' | 'retention' | 'alerts' | 'backups' | 'schedule' | 'limits' | 'prices'
>;

type Row = [name: string, value: string | null, description: string];

function fromConfig(
  { objectives, retention, alerts, backups, schedule, limits, prices }: FromFile,
  lines: ReadonlyMap<string, number>,
): Setting[] {
  const rows: Row[] = [
    ['objectives.rto', seconds(objectives.rtoSeconds), 'Longest time that a recovery may take'],
    ['objectives.rpo', seconds(objectives.rpoSeconds), 'Oldest data that may be lost'],
    ...fromRetention(retention),
    ['backup.to', backups.to, 'Where new backups go: local, s3 or both'],
    ['backup.encrypt', String(backups.encrypt), 'Whether new backups are encrypted'],
    ['schedule.backup', schedule.backup, 'When the daemon backs up'],
    ['schedule.verify', schedule.verify, 'When the daemon verifies the newest backup'],
    ['schedule.prune', schedule.prune, 'When the daemon removes what the retention does not keep'],
    ['schedule.drift', schedule.drift, 'When the daemon compares the stores'],
    ['schedule.drill', schedule.drill, 'When the daemon rehearses a recovery'],
    ['limits.backup', seconds(limits.backup), 'How long a backup of the daemon may take'],
    ['limits.verify', seconds(limits.verify), 'How long a verification of the daemon may take'],
    ['limits.prune', seconds(limits.prune), 'How long the pruning of the daemon may take'],
    ['limits.drift', seconds(limits.drift), 'How long a comparison of the daemon may take'],
    ['limits.drill', seconds(limits.drill), 'How long a drill of the daemon may take'],
    ['prices.storageGbMonth', priced(prices.storageGbMonth), 'Dollars for a GB and month in S3'],
    ['prices.archiveGbMonth', priced(prices.archiveGbMonth), 'Dollars for a GB and month in the archive'],
    ['prices.put1000', priced(prices.put1000), 'Dollars for 1,000 writing requests'],
    ['prices.get1000', priced(prices.get1000), 'Dollars for 1,000 reading requests'],
    ['prices.transferGb', priced(prices.transferGb), 'Dollars for a GB out of S3'],
    ['alerts.severity', alerts.severity, 'The least severity that is told'],
    ['alerts.after', seconds(alerts.afterSeconds), 'How long something must be wrong before it is told'],
    ['alerts.repeat', seconds(alerts.repeatSeconds), 'How long until the same is told again'],
  ];
  return rows.map(([name, value, description]) => {
    const line = lines.get(name);
    const unset = value === null ? 'not set' : 'default';
    const origin = line === undefined ? unset : `lifeboat.config.yaml line ${line}`;
    return { name, value, origin, secret: false, description };
  });
}

function fromRetention(retention: Settings['retention']): Row[] {
  const { keepWithinSeconds, maxCount, maxAgeSeconds } = retention;
  const newestOf = (one: string, many: string): string =>
    `For how many ${many} the newest backup of the ${one} stays`;
  return [
    ['retention.keepLast', String(retention.keepLast), 'How many of the newest backups stay'],
    [
      'retention.keepWithin',
      seconds(keepWithinSeconds),
      'All backups stay that are so little older than the newest',
    ],
    ['retention.keepHourly', String(retention.hourly), newestOf('hour', 'hours')],
    ['retention.keepDaily', String(retention.daily), newestOf('day', 'days')],
    ['retention.keepWeekly', String(retention.weekly), newestOf('week', 'weeks')],
    ['retention.keepMonthly', String(retention.monthly), newestOf('month', 'months')],
    ['retention.keepYearly', String(retention.yearly), newestOf('year', 'years')],
    [
      'retention.maxCount',
      maxCount === null ? null : String(maxCount),
      'How many backups stay at most, whatever the rules above keep',
    ],
    [
      'retention.maxAge',
      seconds(maxAgeSeconds),
      'How old a backup becomes at most, whatever the rules above keep',
    ],
    [
      'retention.minimum',
      String(retention.minimum),
      'How many of the newest complete backups stay in spite of the limits',
    ],
  ];
}

function priced(value: number | null): string | null {
  return value === null ? null : String(value);
}

function seconds(value: number | null): string | null {
  return value === null ? null : formatDuration(value);
}
