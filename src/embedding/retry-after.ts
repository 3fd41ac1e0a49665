/**
 * How long an answer asks to wait, in milliseconds: `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3), or
 * `retry-after-ms`, which OpenAI sends besides. Null where it does not say, or says what cannot be read.
 *
 * @param now milliseconds since the epoch, for a date.
 */
export function retryAfterMs(headers: Pick<Headers, 'get'>, now: number): number | null {
  const exact = numberIn(headers.get('retry-after-ms'));
  if (exact !== null) return exact;
  const text = headers.get('retry-after');
  if (text === null) return null;
  const seconds = numberIn(text);
  if (seconds !== null) return seconds * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

function numberIn(text: string | null): number | null {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : null;
}
