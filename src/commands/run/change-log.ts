import type { Journal } from '../../recovery/journal.js';
import type { RunState } from '../../recovery/run-state.js';
import { watchLease } from '../../stores/lease/redis-lease.js';
import { graphFailure } from '../../stores/graph/connection.js';
import type { Written } from '../../stores/write-guard.js';
import type { GraphStore } from '../../stores/graph/graph-store.js';
import { Doubt } from './doubt.js';
import type { TakenLease } from './lease-places.js';
import type { Change, ChangeLog, ChangePhase } from '../../steps/change.js';

type Noted = { change: Change; phase: ChangePhase };

/** Writes each change into the journal before and after it is made, under the lease. */
export class JournalledChanges implements ChangeLog {
  private readonly noted: Map<Change['kind'], Noted>;
  private readonly requests = new Doubt();

  constructor(
    private readonly journal: Journal | null,
    /** Null where none was taken. It may move to another place during a run. */
    private readonly lease: () => TakenLease | null,
    state: RunState | null,
  ) {
    this.noted = new Map(state?.changes.map((noted) => [noted.change.kind, noted]));
  }

  async make(intent: Change, work: () => Promise<Change>): Promise<Change> {
    await this.check();
    this.note({ change: intent, phase: 'intent' });
    const change = await work();
    this.note({ change, phase: 'done' });
    return change;
  }

  made<K extends Change['kind']>(
    kind: K,
  ): { change: Extract<Change, { kind: K }>; phase: ChangePhase } | undefined {
    return this.noted.get(kind) as { change: Extract<Change, { kind: K }>; phase: ChangePhase } | undefined;
  }

  settle(kind: Change['kind'], phase: 'done' | 'undone'): void {
    const noted = this.noted.get(kind);
    if (noted !== undefined) this.note({ change: noted.change, phase });
  }

  async check(): Promise<void> {
    await this.lease()?.check();
  }

  async mayWrite(): Promise<void> {
    await this.lease()?.hold();
  }

  sending(what: Written, count: number): (isProven: boolean) => void {
    return this.requests.sending(what, count, this.lease()?.confirmedAt ?? Infinity);
  }

  /** What may have been written though the lease was lost, in words; null where nothing was. */
  get doubt(): string | null {
    return this.requests.since(this.lease()?.confirmedAt ?? Infinity);
  }

  async fence({ redis, address }: GraphStore, graphName: string): Promise<boolean> {
    const lease = this.lease();
    if (lease?.besideGraph !== true) return false;
    const isOurs = await watchLease(redis, graphName, lease.token).catch((error: unknown) => {
      throw graphFailure('look at the lease', address, error);
    });
    // check() says in words who took it.
    if (!isOurs) await lease.check();
    return true;
  }

  /** Whether anything was changed, or may have been. */
  get any(): boolean {
    return this.standing.length > 0;
  }

  /** What is kept so that the run can be undone, in words. */
  get kept(): string[] {
    return this.standing.flatMap(({ change }) => keptFor(change) ?? []);
  }

  private get standing(): Noted[] {
    return [...this.noted.values()].filter(({ phase }) => phase === 'intent' || phase === 'done');
  }

  private note(noted: Noted): void {
    this.journal?.append({ entry: 'change', ...noted });
    this.noted.set(noted.change.kind, noted);
  }
}

function keptFor(change: Change): string | null {
  switch (change.kind) {
    case 'graph-swap':
      return change.replaced === null
        ? `that there was no graph "${change.graph}" before: a rollback takes the new one away`
        : `the replaced graph, as "${change.replaced}"`;
    case 'graph-edit':
      return change.copy === null ? null : `a copy of the graph from before, as "${change.copy}"`;
    case 'collection-edit':
      return change.snapshot === null
        ? null
        : `a snapshot of the collection "${change.collection}" from before, as "${change.snapshot}"`;
    case 'collection-create':
      return change.replaced === undefined
        ? `that there was no collection "${change.collection}" before: a rollback deletes the new one`
        : `the settings of the empty collection "${change.collection}" from before: a rollback makes it again`;
  }
}
