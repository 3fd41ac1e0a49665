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
  config: Pick<Settings, 'objectives' | 'retention' | 'alerts'>,
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

function fromConfig(
  { objectives, retention, alerts }: Pick<Settings, 'objectives' | 'retention' | 'alerts'>,
  lines: ReadonlyMap<string, number>,
): Setting[] {
  const seconds = (value: number | null): string | null => (value === null ? null : formatDuration(value));
  const rows: [name: string, value: string | null, description: string][] = [
    ['objectives.rto', seconds(objectives.rtoSeconds), 'Longest time that a recovery may take'],
    ['objectives.rpo', seconds(objectives.rpoSeconds), 'Oldest data that may be lost'],
    ['retention.keepLast', String(retention.keepLast), 'How many of the newest backups stay'],
    [
      'retention.keepDaily',
      String(retention.keepDaily),
      'For how many days the newest backup of the day stays',
    ],
    ['retention.keepWeekly', String(retention.keepWeekly), 'For how many weeks the newest of the week stays'],
    [
      'retention.keepMonthly',
      String(retention.keepMonthly),
      'For how many months the newest of the month stays',
    ],
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
