import type { BadRecord } from '../backup/files/graph-file.js';
import { readHints, type Hints } from '../memory/hints.js';
import { joinKey } from '../memory/ids.js';
import { sameValue } from '../memory/fingerprint.js';
import { isMap, type GraphRelationship, type Value, type ValueMap } from '../memory/values.js';
import { storableProperties, Unwritable, withoutUnsoundNames } from '../stores/graph/storable.js';
import type { GraphSink } from './graph-sink.js';
import type { NodeSource } from './node-source.js';
import { Origin, pointId, type SourceIndex } from './source-index.js';
import type { Step, StepContext } from './step.js';

/** Payloads whose hints are read at once. */
const BATCH = 500;

/**
 * Brings back relationships: first those that the graph sources hold, then, for memories that changed or came after the
 * backup, those that their payloads hint at.
 */
export const stageRelationships: Step = {
  id: 'stage-relationships',
  title: 'Stage relationships',
  writes: false,
  store: 'graph',
  async run(context) {
    const { sink, index } = context.work;
    if (sink === null || index === null) throw new Error('nodes must be staged before relationships');
    const stager = new RelationshipStager(context, sink, index);
    for (const source of context.work.sources) await stager.takeSource(source);
    await stager.takeHints();
    await sink.flush();
    context.work.restored.relationships = sink.written.relationships;
    context.work.byRelationship = Object.fromEntries(
      [...sink.digests].map(([type, { count }]) => [type, count]),
    );
    return stager.describe();
  },
};

/** A relationship of the backup, with its ends in the staging graph. */
interface Staged {
  from: number;
  to: number;
  relationship: GraphRelationship;
}

/** Relationships of one type between the same ends, but for those that both graphs hold in the same form. */
interface Rivals {
  live: ValueMap[];
  backup: Staged[];
}

class RelationshipStager {
  private readonly tally = { live: 0, backup: 0, hinted: 0, dropped: 0 };
  /** Ends and type of relationships that a later source or hint might bring again. */
  private readonly seen = new Map<string, Set<number>>();
  private readonly revisited: Set<number>;
  /** What the live graph holds, by type and ends, and what the backup holds beside it. */
  private readonly rivals = new Map<string, Rivals>();

  constructor(
    private readonly context: StepContext,
    private readonly sink: GraphSink,
    private readonly index: SourceIndex,
  ) {
    this.revisited = new Set(
      [...index.entries(Origin.Merged, Origin.Live)].map(({ position }) => index.stagedId(position)),
    );
  }

  async takeSource(source: NodeSource): Promise<void> {
    const bad = ({ reason, record }: BadRecord): void => this.drop('?', reason, record);
    for await (const relationships of source.relationships(bad)) {
      this.context.signal.throwIfAborted();
      for (const relationship of relationships) await this.take(relationship, source);
      this.context.progress('relationships', this.sink.written.relationships, source.totals.relationships);
    }
    if (source.kind === 'backup') await this.takeSurplus();
  }

  private async take(relationship: GraphRelationship, source: NodeSource): Promise<void> {
    const { type, properties } = relationship;
    const from = source.ids.get(relationship.source);
    const to = source.ids.get(relationship.target);
    if (from < 0 || to < 0) {
      this.drop(name(relationship), 'a memory at one of its ends was not brought back', relationship);
      return;
    }
    const key = `${type} ${from} ${to}`;
    if (source.kind === 'live') this.addLive(key, properties);
    else if (this.isRival(key, { from, to, relationship })) return;
    // Only what can come twice is remembered: ends that newer payloads speak of too.
    if (source.kind === 'live' || this.revisited.has(from) || this.revisited.has(to))
      this.remember(type, from, to);
    if (await this.write(from, to, type, properties, relationship)) this.tally[source.kind]++;
  }

  private addLive(key: string, properties: ValueMap): void {
    const rivals = this.rivals.get(key);
    if (rivals === undefined) this.rivals.set(key, { live: [properties], backup: [] });
    else rivals.live.push(properties);
  }

  /** @returns true where the live graph has relationships of that type and ends: which are the same is settled later. */
  private isRival(key: string, staged: Staged): boolean {
    const rivals = this.rivals.get(key);
    if (rivals === undefined) return false;
    const same = rivals.live.findIndex((live) => sameValue(live, staged.relationship.properties));
    if (same >= 0) rivals.live.splice(same, 1);
    else rivals.backup.push(staged);
    return true;
  }

  /**
   * Of parallel relationships, the live graph may have lost some and changed others. What is left of the live ones is
   * taken for newer forms of as many in the backup; the backup's further ones are brought back.
   */
  private async takeSurplus(): Promise<void> {
    for (const { live, backup } of this.rivals.values()) {
      for (const { from, to, relationship } of backup.slice(live.length)) {
        const { type, properties } = relationship;
        if (await this.write(from, to, type, properties, relationship)) this.tally.backup++;
      }
    }
  }

  /** Hints count only where no graph source holds the memory as it is now. */
  async takeHints(): Promise<void> {
    let batch: { key: string; position: number }[] = [];
    for (const entry of this.index.entries(Origin.Payload, Origin.Merged)) {
      batch.push(entry);
      if (batch.length < BATCH) continue;
      await this.takeHintsOf(batch);
      batch = [];
    }
    if (batch.length > 0) await this.takeHintsOf(batch);
  }

  private async takeHintsOf(batch: { key: string; position: number }[]): Promise<void> {
    this.context.signal.throwIfAborted();
    const origins = new Map(batch.map(({ key, position }) => [key, this.index.origin(position)]));
    const points = await this.context.vectors.retrieve(
      this.context.collection,
      batch.map(({ key }) => pointId(key)),
      { payload: ['metadata'], numbers: 'exact' },
    );
    for (const { id, payload } of points) {
      const key = joinKey(id);
      const metadata = metadataOf(payload);
      const hints = readHints(key, metadata);
      if (origins.get(key) === Origin.Merged && !this.isNewerThanBackup(hints)) continue;
      await this.apply(key, hints);
    }
    this.context.progress('relationships', this.sink.written.relationships, null);
  }

  private isNewerThanBackup(hints: Hints): boolean {
    const takenAt = this.context.backup?.takenAt;
    return (
      hints.enrichedAt !== null && takenAt !== undefined && Date.parse(hints.enrichedAt) > Date.parse(takenAt)
    );
  }

  private async apply(id: string, hints: Hints): Promise<void> {
    for (const hint of hints.relationships) {
      const from = this.stagedMemory(hint.source);
      const to = this.stagedMemory(hint.target);
      if (from < 0 || to < 0)
        this.drop(name(hint), 'hinted at, but a memory at one of its ends does not exist', hint);
      else if (
        !this.remember(hint.type, from, to) &&
        (await this.write(from, to, hint.type, hint.properties, hint))
      )
        this.tally.hinted++;
    }
    for (const pattern of hints.patterns) {
      const from = this.stagedMemory(id);
      const to = this.context.work.patternIds.get(pattern.type) ?? -1;
      const properties: ValueMap = hints.enrichedAt === null ? {} : { updated_at: hints.enrichedAt };
      if (from < 0 || to < 0 || this.remember('EXEMPLIFIES', from, to)) continue;
      if (await this.write(from, to, 'EXEMPLIFIES', properties, { id, pattern })) this.tally.hinted++;
    }
    for (const problem of hints.unusable) this.drop(id, problem, null);
    if (hints.temporalLinks > 0) {
      this.drop(
        `${id} -PRECEDED_BY-> ?`,
        `enrichment made ${hints.temporalLinks} of these, but their other ends are recorded nowhere`,
        null,
      );
    }
  }

  private stagedMemory(id: string): number {
    const position = this.index.find(id);
    return position >= 0
      ? this.index.stagedId(position)
      : (this.context.work.memoryIds.get(joinKey(id)) ?? -1);
  }

  /** @returns true where this type already joins these ends. */
  private remember(type: string, from: number, to: number): boolean {
    let ends = this.seen.get(type);
    if (ends === undefined) this.seen.set(type, (ends = new Set()));
    const key = from * 0x4000000 + to;
    if (ends.has(key)) return true;
    ends.add(key);
    return false;
  }

  private async write(
    from: number,
    to: number,
    type: string,
    properties: ValueMap,
    record: unknown,
  ): Promise<boolean> {
    const { kept, refused } = storableProperties(properties);
    for (const key of refused) {
      this.context.quarantine({
        kind: 'property',
        id: `${type} ${key}`,
        reason: 'the graph cannot hold its value',
        record,
      });
    }
    try {
      await this.sink.relationship(from, to, type, kept);
      return true;
    } catch (error) {
      if (!(error instanceof Unwritable)) throw error;
      return this.writeSoundPart(from, to, type, kept, record, error.message);
    }
  }

  /** One property name that cannot be stored must not cost the whole relationship; its type must be sound. */
  private async writeSoundPart(
    from: number,
    to: number,
    type: string,
    properties: ValueMap,
    record: unknown,
    problem: string,
  ): Promise<boolean> {
    const sound = withoutUnsoundNames([type], properties);
    if (sound.labels.length === 0) {
      this.drop(type, problem, record);
      return false;
    }
    for (const { name: property, reason } of sound.refused) {
      this.context.quarantine({ kind: 'property', id: `${type} ${property}`, reason, record });
    }
    await this.sink.relationship(from, to, type, sound.properties);
    return true;
  }

  private drop(id: string, reason: string, record: unknown): void {
    this.tally.dropped++;
    this.context.quarantine({ kind: 'relationship', id, reason, record });
  }

  describe(): string {
    const { live, backup, hinted, dropped } = this.tally;
    const parts = [
      [live, 'from the live graph'],
      [backup, 'from the backup'],
      [hinted, 'from payload hints'],
    ] as const;
    const sources = parts.filter(([count]) => count > 0).map(([count, how]) => `${count} ${how}`);
    const rest = dropped > 0 ? `; ${dropped} could not be brought back` : '';
    return `${live + backup + hinted} relationships (${sources.join(', ') || 'there were none'})${rest}`;
  }
}

function metadataOf(payload: Value): Value | undefined {
  return isMap(payload) ? payload['metadata'] : undefined;
}

function name(relationship: { source: string | number; type: string; target: string | number }): string {
  return `${relationship.source} -${relationship.type}-> ${relationship.target}`;
}
