const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

type Unit = keyof typeof UNIT_SECONDS;

/** What a duration looks like, for messages. */
export const DURATION_EXPECTED = 'a duration such as 90s, 15m, 1h30m, 24h or 7d';

/**
 * Reads "90s", "15m", "1h30m", "24h", "7d" or "2w" as seconds. Null for anything else, so that a bare number
 * (seconds? minutes?) is never guessed at.
 */
export function parseDuration(text: string): number | null {
  const compact = text.trim().toLowerCase();
  if (!/^(?:\d+(?:\.\d+)?[smhdw])+$/.test(compact)) return null;
  let seconds = 0;
  for (const [, amount, unit] of compact.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g)) {
    seconds += Number(amount) * UNIT_SECONDS[unit as Unit];
  }
  return seconds > 0 && Number.isFinite(seconds) ? seconds : null;
}

/** Prints seconds as parseDuration reads them: 5400 → "1h30m". */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  let text = '';
  for (const unit of ['d', 'h', 'm'] as const) {
    const amount = Math.floor(rest / UNIT_SECONDS[unit]);
    if (amount > 0) text += `${String(amount)}${unit}`;
    rest -= amount * UNIT_SECONDS[unit];
  }
  // Not toString: a tiny remainder would print in exponent form, which parseDuration refuses.
  const left = Number(rest.toFixed(3));
  return left > 0 || text === '' ? `${text}${String(left)}s` : text;
}
