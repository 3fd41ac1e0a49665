/** Ids of memories, as memory/ids.ts joins them → their internal ids in the live graph. */
export type MemoryIds = Map<string, number>;

/** What a comparison of the stores found to repair. */
export interface Differences {
  /** Memories without a vector. */
  missing: MemoryIds;
  /** Memories whose payload holds another content than the graph: their vector is of the old text. */
  changed: MemoryIds;
  /** Memories whose vector is a placeholder. */
  placeholders: MemoryIds;
  /** Memories whose payload differs in other fields. */
  stale: MemoryIds;
  /** Memories whose node is damaged in a field that the payload has whole: there the payload decides. */
  damaged: MemoryIds;
  /**
   * Memories whose payload differs and was updated later than the node: there, too, the payload decides. They are in none
   * of the other lists, so that nothing is written over the newer payload.
   */
  newer: MemoryIds;
  /**
   * Memories whose payload differs while the node has no usable time of change, so that nothing tells which is the newer.
   * They, too, are in none of the other lists: both sides stay as they are.
   */
  undecided: MemoryIds;
  /** Points without a memory. */
  orphans: string[];
  /** Points without a memory of whose payload none can be made. */
  contentless: string[];
  /** Memories that an earlier repair brought back and that may still lack their relationships. */
  owed: string[];
  /** Differences too young to tell a fault from work in hand. */
  pending: number;
  /** Ids that several nodes have: no repair can tell which one counts. */
  duplicates: number;
  /** (missing + orphans + stale + changed) of all ids that should be in both stores, in percent. */
  percent: number;
}

export function noDifferences(): Differences {
  return {
    missing: new Map(),
    changed: new Map(),
    placeholders: new Map(),
    stale: new Map(),
    damaged: new Map(),
    newer: new Map(),
    undecided: new Map(),
    orphans: [],
    contentless: [],
    owed: [],
    pending: 0,
    duplicates: 0,
    percent: 0,
  };
}

/** Whether points must be written. */
export function needsVectors({ missing, changed, placeholders, stale }: Differences): boolean {
  return missing.size + changed.size + placeholders.size + stale.size > 0;
}

/** Memories whose vector must be made. */
export function toEmbed({ missing, changed, placeholders }: Differences): MemoryIds {
  return new Map([...missing, ...changed, ...placeholders]);
}

/** What the operator wants with points without a memory, and on which store. */
export interface OrphanChoice {
  orphans: 'restore' | 'delete' | 'keep';
  only: 'graph' | 'vectors' | null;
}

/** Memories that come back into the graph. */
export function memoriesToRestore({ orphans }: Differences, choice: OrphanChoice): readonly string[] {
  return choice.orphans === 'restore' && choice.only !== 'vectors' ? orphans : [];
}

/** Points that are deleted: also those of which no memory could be made. */
export function pointsToDelete(
  { orphans, contentless }: Differences,
  choice: OrphanChoice,
): readonly string[] {
  return choice.orphans === 'delete' && choice.only !== 'graph' ? [...orphans, ...contentless] : [];
}

/** Whether the graph must be changed. */
export function needsGraph(differences: Differences, choice: OrphanChoice): boolean {
  const { damaged, newer, owed } = differences;
  const hasOwn = damaged.size + newer.size + owed.length > 0 && choice.only !== 'vectors';
  return hasOwn || memoriesToRestore(differences, choice).length > 0;
}
