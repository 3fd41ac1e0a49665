import type { PayloadText } from '../../backup/files/payload-text.js';
import type { FilePoint } from '../../backup/files/point-record.js';
import { MEMORY_LABEL } from '../../memory/contract.js';
import { joinKey } from '../../memory/ids.js';
import { isMap, type Value, type ValueMap } from '../../memory/values.js';
import { toCypherLiteral } from '../../stores/graph/cypher.js';
import { newestTime } from '../newest.js';
import { pointId } from '../source-index.js';
import type { StepContext } from '../step.js';
import { tellLoss } from '../vectors/losses.js';

/** What of a payload tells whether it is another one, and how old. */
const TELLING = ['content', 'updated_at'];

/**
 * Points of the collection that are about to be overwritten and were changed after the backup. Their payloads may be the
 * last that is known of them, so each goes to quarantine before it is written over.
 */
export class NewerPoints {
  private count = 0;

  constructor(private readonly context: StepContext) {}

  /** @param points of the backup, not written yet */
  async setAside(points: readonly FilePoint[]): Promise<void> {
    const { vectors, collection, quarantine } = this.context;
    const ids = points.map(({ id }) => pointId(joinKey(id)));
    if (ids.length === 0) return;
    const there = await vectors.retrieve(collection, ids, { payload: TELLING, numbers: 'fast' });
    const live = new Map(there.map(({ id, payload }) => [joinKey(id), mapOf(payload)]));
    const newer = points.flatMap(({ id, payload }) => {
      const key = joinKey(id);
      const now = live.get(key);
      return now !== undefined && isNewer(now, written(payload)) ? [key] : [];
    });
    const lost = await this.notCaughtUp(newer, live);
    if (lost.length === 0) return;
    const whole = await vectors.retrieve(collection, lost.map(pointId), { payload: true, numbers: 'exact' });
    for (const { id, payload } of whole) {
      const reason = 'its point was changed after the backup; the payload that it had is here';
      quarantine({ kind: 'memory', id: joinKey(id), reason, record: { id, payload } });
    }
    this.tell(whole.length);
  }

  /** What the service wrote during the run is in the graph too, which decides at the end of the run. */
  private async notCaughtUp(ids: string[], live: ReadonlyMap<string, ValueMap>): Promise<string[]> {
    const { graph, graphName, assessment, options } = this.context;
    const begun = Date.parse(assessment.takenAt);
    const fresh = ids.filter((id) => newestTime(live.get(id) ?? {}) >= begun);
    if (fresh.length === 0 || options.only !== null) return ids;
    const list = toCypherLiteral(fresh);
    const rows = await graph.textRows(
      graphName,
      `CYPHER ids=${list} MATCH (m:${MEMORY_LABEL}) WHERE m.id IN $ids RETURN m.id, ${TELLING.map((field) => `m.${field}`).join(', ')}`,
    );
    const inGraph = new Set(
      rows.flatMap(([id, ...values]) => {
        const now = live.get(id ?? '');
        return now !== undefined && TELLING.every((field, at) => now[field] === values[at]) ? [id] : [];
      }),
    );
    return ids.filter((id) => !inGraph.has(id));
  }

  private tell(count: number): void {
    this.count += count;
    const { work, assessment } = this.context;
    work.newestUnbacked = assessment.takenAt;
    const what = 'points were changed after the backup and are as the backup holds them now';
    tellLoss(
      work,
      what,
      `${this.count} ${what}: their newer payloads are in quarantine. To keep such points: --merge`,
    );
  }
}

function isNewer(live: ValueMap, backup: ValueMap): boolean {
  // Other times of the backup's payload are not asked for in the collection.
  const [now, then] = [newestTime(live), newestTime({ updated_at: backup['updated_at'] ?? null })];
  return now > then || (now === then && live['content'] !== backup['content']);
}

/** The native parser is several times faster, and takes what has no trouble; numbers do not matter here. */
function written(payload: PayloadText): ValueMap {
  return mapOf(payload.trouble === null ? (JSON.parse(payload.text) as Value) : payload.value());
}

function mapOf(payload: Value): ValueMap {
  return isMap(payload) ? payload : {};
}
