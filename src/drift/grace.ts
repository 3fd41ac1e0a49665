import type { ValueMap } from '../memory/values.js';

const HOUR_MS = 3_600_000;
/** Farther than any two time zones are apart. */
const ZONES_HOURS = 30;

/** Tells which memories changed so lately that the service may not be done with them. */
export class GracePeriod {
  private readonly fromMs: number;
  private readonly untilMs: number;
  /** ISO times before it are older, whatever their time zone. */
  private readonly surelyOld: string;

  constructor(now: Date, seconds: number) {
    this.fromMs = now.getTime() - seconds * 1000;
    // A clock may be ahead by as much as the grace; what claims to be of next year is not young but wrong.
    this.untilMs = now.getTime() + seconds * 1000;
    this.surelyOld = new Date(this.fromMs - ZONES_HOURS * HOUR_MS).toISOString();
  }

  /** Whether a memory, as node or payload, was changed or made within the period. */
  covers(fields: ValueMap): boolean {
    return this.isWithin(fields['updated_at']) || this.isWithin(fields['timestamp']);
  }

  private isWithin(time: ValueMap[string] | undefined): boolean {
    // Nearly all are old: comparing texts is many times faster than reading dates.
    if (typeof time !== 'string' || time < this.surelyOld) return false;
    const ms = Date.parse(time);
    return ms >= this.fromMs && ms <= this.untilMs;
  }
}
