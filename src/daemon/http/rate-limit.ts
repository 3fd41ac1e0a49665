import { isIPv4 } from 'node:net';

/** An address that asks from ever new ones must not fill the memory. */
const MAX_ADDRESSES = 10_000;

/** Values by address, of which those that were used last are kept. */
class ByAddress<T> {
  private readonly values = new Map<string, T>();

  get(address: string, make: () => T): T {
    const value = this.values.get(address) ?? make();
    // Whoever asks goes to the end; the first is who was silent for longest.
    this.values.delete(address);
    this.values.set(address, value);
    if (this.values.size > MAX_ADDRESSES) this.values.delete(this.values.keys().next().value ?? '');
    return value;
  }
}

/** So many requests a minute from each address, all of them at once if need be. */
export class RateLimit {
  private readonly buckets = new ByAddress<{ tokens: number; at: number }>();

  /** @param now milliseconds of a clock that is never put back */
  constructor(
    private readonly perMinute: number,
    private readonly now: () => number,
  ) {}

  /** Takes one request. @returns 0 where it may go on, else the seconds until one may */
  take(address: string): number {
    const now = this.now();
    const bucket = this.buckets.get(address, () => ({ tokens: this.perMinute, at: now }));
    const perMs = this.perMinute / MINUTE_MS;
    bucket.tokens = Math.min(this.perMinute, bucket.tokens + (now - bucket.at) * perMs);
    bucket.at = now;
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / perMs / 1000);
    bucket.tokens -= 1;
    return 0;
  }
}

const MINUTE_MS = 60_000;

/** Counts wrong keys: after so many in a minute, an address is not listened to any more, whatever key it shows. */
export class WrongKeys {
  private readonly times = new ByAddress<number[]>();

  constructor(
    private readonly most: number,
    private readonly now: () => number,
  ) {}

  note(address: string): void {
    const times = this.times.get(address, () => []);
    times.push(this.now());
    times.splice(0, times.length - this.most);
  }

  /** @returns 0 where the address may show a key, else the seconds until it may */
  blockedFor(address: string): number {
    const times = this.times.get(address, () => []);
    const [first] = times;
    if (first === undefined || times.length < this.most) return 0;
    return Math.max(0, Math.ceil((first + MINUTE_MS - this.now()) / 1000));
  }
}

/** What stands for an address: an IPv6 network, since whoever has one address has all of it. */
export function limitedAs(address: string | undefined): string {
  const text = (address ?? '').replace(/%.*$/, '').toLowerCase();
  const mapped = text.replace(/^::ffff:/, '');
  if (isIPv4(mapped)) return mapped;
  const [head = '', tail] = text.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    groups.push(...Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0'), ...rest);
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}
