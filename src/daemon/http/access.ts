import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

import { Refusal } from './answer.js';
import { WrongKeys } from './rate-limit.js';

export interface Keys {
  /** What callers who look must show; null closes those paths to all but the write key. */
  read: string | null;
  /** What callers who start something must show; also opens what the read key does. Null closes those paths. */
  write: string | null;
}

/** `scrape` is open where no read key is set, which is possible on the loopback address only. */
export type Need = 'nothing' | 'scrape' | 'read' | 'write';

const MOST_WRONG_KEYS = 10;

/** Who may do what. */
export class Access {
  private readonly wrong: WrongKeys;

  /** @param now milliseconds of a clock that is never put back */
  constructor(
    private readonly keys: Keys,
    now: () => number,
  ) {
    this.wrong = new WrongKeys(MOST_WRONG_KEYS, now);
  }

  /** @throws Refusal 401, 403, or 429 after too many wrong keys */
  check(need: Need, headers: IncomingHttpHeaders, address: string): void {
    const { read, write } = this.keys;
    if (need === 'nothing' || (need === 'scrape' && read === null)) return;
    if (need === 'write' ? write === null : read === null && write === null) throw closed(need);
    const blocked = this.wrong.blockedFor(address);
    if (blocked > 0)
      throw new Refusal(429, 'too-many-wrong-keys', `Too many wrong keys; wait ${blocked} s.`, {
        'retry-after': String(blocked),
      });
    const shown = keyOf(headers);
    if (shown === null)
      throw new Refusal(
        401,
        'key-missing',
        'A key is needed: send it as "Authorization: Bearer KEY" or as "X-API-Key: KEY".',
        CHALLENGE,
      );
    // Both are compared, whatever the first comes to.
    const isRead = isSame(shown, read);
    const isWrite = isSame(shown, write);
    if (isWrite || (isRead && need !== 'write')) return;
    if (isRead)
      throw new Refusal(
        403,
        'key-may-only-read',
        'This key may look, and start nothing: show the write key.',
      );
    this.wrong.note(address);
    throw new Refusal(401, 'key-wrong', 'The key is wrong.', CHALLENGE);
  }
}

const CHALLENGE = { 'www-authenticate': 'Bearer realm="lifeboat"' };

function closed(need: Need): Refusal {
  const name = need === 'write' ? 'LIFEBOAT_WRITE_KEY' : 'LIFEBOAT_READ_KEY';
  return new Refusal(403, 'key-not-set', `This path is closed until ${name} is set for the daemon.`);
}

/** From headers alone: what stands in an address ends up in logs. */
function keyOf(headers: IncomingHttpHeaders): string | null {
  const bearer = /^Bearer +(\S.*)$/i.exec(headers.authorization ?? '')?.[1]?.trim();
  const own = headers['x-api-key'];
  return bearer ?? (typeof own === 'string' && own !== '' ? own : null);
}

/** Takes the same time for every key: digests have one length, and are compared to their end. */
function isSame(shown: string, key: string | null): boolean {
  // Node.js hands the bytes of a header over as Latin-1; a key with other letters is sent as UTF-8.
  const equal = timingSafeEqual(digest(shown, 'latin1'), digest(key ?? '', 'utf8'));
  return equal && key !== null;
}

function digest(text: string, encoding: 'latin1' | 'utf8'): Buffer {
  return createHash('sha256').update(text, encoding).digest();
}
