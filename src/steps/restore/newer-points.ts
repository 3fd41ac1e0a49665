import type { PayloadText } from '../../backup/files/payload-text.js';
import type { FilePoint } from '../../backup/files/point-record.js';
import { besideBackup, type Beside } from '../../memory/compare-payloads.js';
import { SHARED_FIELDS } from '../../memory/fingerprint.js';
import { joinKey } from '../../memory/ids.js';
import { parseJson } from '../../memory/json.js';
import { isMap, type Value, type ValueMap } from '../../memory/values.js';
import { newestTime } from '../newest.js';
import { pointId } from '../source-index.js';
import type { StepContext } from '../step.js';
import { tellLoss } from '../vectors/losses.js';
import { asGraphSays } from './as-graph-says.js';

/** Why a payload goes aside before it is written over, and what is told of all of them. */
const ASIDE = {
  newer: {
    reason: 'its point was changed after the backup; the payload that it had is here',
    what: 'points were changed after the backup and are as the backup holds them now',
    told: 'their newer payloads are in quarantine',
  },
  undecided: {
    reason:
      'its point differs from the backup, and no time says which is the newer; the payload that it had is here',
    what: 'points differ from the backup where no time says which is the newer, and are as the backup holds them now',
    told: 'the payloads that they had are in quarantine',
  },
} as const;

type Why = keyof typeof ASIDE;

/** Points that are in the collection, by joined id. */
interface Compared {
  live: ReadonlyMap<string, ValueMap>;
  beside: ReadonlyMap<string, Beside>;
}

/**
 * Points of the collection that are about to be overwritten and say something else than the backup. What the service wrote
 * to both stores since the graph of the run went live stays as it is, with its vector, which nothing else holds; of all others
 * the payload goes to quarantine before it is written over, unless it is older than that of the backup.
 */
export class NewerPoints {
  private readonly counts: Record<Why, number> = { newer: 0, undecided: 0 };

  /** @param isOwn this run made the collection: what it wrote there before it was stopped need not be written again */
  constructor(
    private readonly context: StepContext,
    private readonly isOwn: boolean,
  ) {}

  /**
   * @param points of the backup, not written yet
   * @returns joined ids of those that stay as they are
   */
  async setAside(points: readonly FilePoint[]): Promise<ReadonlySet<string>> {
    const { live, beside } = await this.compare(points);
    const stay = new Set<string>();
    const suspects = new Map<string, Why>();
    for (const [key, how] of beside) {
      if (how === 'newer' || how === 'undecided') suspects.set(key, how);
      else if (this.isOwn && how === 'same') stay.add(key);
    }
    for (const key of await this.caughtUp(suspects, live)) {
      suspects.delete(key);
      stay.add(key);
    }
    for (const why of ['newer', 'undecided'] as const)
      await this.keep(
        why,
        [...suspects.keys()].filter((key) => suspects.get(key) === why),
        live,
      );
    return stay;
  }

  /** Of a collection that the run made, notes only which points somebody else wrote. */
  async look(points: readonly FilePoint[]): Promise<void> {
    if (this.isOwn) await this.compare(points);
  }

  private async compare(points: readonly FilePoint[]): Promise<Compared> {
    const { vectors, collection, work } = this.context;
    const ids = points.map(({ id }) => pointId(joinKey(id)));
    const beside = new Map<string, Beside>();
    if (ids.length === 0) return { live: new Map(), beside };
    const there = await vectors.retrieve(collection, ids, { payload: [...SHARED_FIELDS], numbers: 'fast' });
    const live = new Map(there.map(({ id, payload }) => [joinKey(id), mapOf(payload)]));
    for (const { id, payload } of points) {
      const key = joinKey(id);
      const now = live.get(key);
      if (now === undefined) continue;
      const how = besideBackup(now, written(payload));
      beside.set(key, how);
      if (this.isOwn && how !== 'same' && this.isOthers(now)) work.foreignPoints.add(key);
    }
    return { live, beside };
  }

  /** Those that are as the live graph says: where the vectors alone are restored, only what came during the run. */
  private async caughtUp(
    suspects: ReadonlyMap<string, Why>,
    live: ReadonlyMap<string, ValueMap>,
  ): Promise<string[]> {
    const { options } = this.context;
    const asked = [...suspects.keys()].filter(
      (key) => options.only === null || this.isFresh(live.get(key) ?? {}),
    );
    return asGraphSays(this.context, asked, live);
  }

  /** An older time is that of the graph, which the run brought payloads up to. */
  private isOthers(payload: ValueMap): boolean {
    return this.isFresh(payload) || newestTime(payload) === -Infinity;
  }

  private isFresh(payload: ValueMap): boolean {
    return newestTime(payload) >= Date.parse(this.context.assessment.takenAt);
  }

  private async keep(why: Why, keys: string[], live: ReadonlyMap<string, ValueMap>): Promise<void> {
    if (keys.length === 0) return;
    const { vectors, collection, quarantine } = this.context;
    const { reason } = ASIDE[why];
    // What came since the run began is in no snapshot: its vector is kept besides.
    const isBare = (key: string): boolean => !this.isOwn && !this.isFresh(live.get(key) ?? {});
    const bare = keys.filter(isBare).map(pointId);
    const whole = keys.filter((key) => !isBare(key)).map(pointId);
    let count = 0;
    if (bare.length > 0)
      for (const { id, payload } of await vectors.retrieve(collection, bare, {
        payload: true,
        numbers: 'exact',
      })) {
        quarantine({ kind: 'memory', id: joinKey(id), reason, record: { id, payload } });
        count++;
      }
    if (whole.length > 0)
      for (const { id, payload, vector } of await vectors.retrieveRaw(collection, whole)) {
        const record = { id, payload: parseJson(payload), vector: parseJson(vector) };
        quarantine({ kind: 'memory', id: joinKey(id), reason, record });
        count++;
      }
    this.tell(why, count);
  }

  private tell(why: Why, count: number): void {
    this.counts[why] += count;
    const { work, assessment } = this.context;
    work.newestUnbacked = assessment.takenAt;
    const { what, told } = ASIDE[why];
    tellLoss(work, what, `${this.counts[why]} ${what}: ${told}. To keep such points: --merge`);
  }
}

/** As it will be written. The native parser is several times faster; numbers do not matter here. */
function written(payload: PayloadText): ValueMap {
  return mapOf(JSON.parse(payload.repaired()) as Value);
}

function mapOf(payload: Value): ValueMap {
  return isMap(payload) ? payload : {};
}
