import { printPythonJson } from '../../memory/json.js';
import { addCount, type ValueMap } from '../../memory/values.js';
import { storableProperties, withoutUnsoundNames } from '../../stores/graph/storable.js';
import { batches, liveRelationships, relationshipsBetween } from '../../stores/graph/live-pages.js';
import type { NewRelationship } from '../../stores/graph/live-writer.js';
import { liveWriter } from '../guarded-writers.js';
import type { StepContext } from '../step.js';
import type { LiveNames } from './live-names.js';
import type { BackupRelationship } from './read-backup.js';

/** Relationships that are looked for, and made, at once. */
const BATCH = 500;

/**
 * Makes relationships of the backup that the live graph lacks: for each type and pair of ends as many as it has fewer, so
 * that running it again makes none a second time. What the graph has in a newer form counts as there.
 *
 * @param wanted with the internal ids of their ends; null at an end that did not come back
 * @param everything whether most of them are probably there: then the graph is read once, from end to end
 * @returns how many were made, by type
 */
export async function bringRelationships(
  context: StepContext,
  names: LiveNames,
  wanted: readonly NewRelationship[],
  everything: boolean,
): Promise<Record<string, number>> {
  const missing = everything ? await withoutExisting(context, wanted) : wanted;
  const writer = liveWriter(context, context.graph);
  const made: Record<string, number> = {};
  let looked = 0;
  // Parallel ones must be looked at together.
  const groupsOfAll = [...Map.groupBy(missing, keyOf).values()];
  for (const groups of batches(groupsOfAll, BATCH)) {
    context.signal.throwIfAborted();
    const lacking = await lackingNow(context, names, groups.flat());
    const sound = lacking.flatMap((one) => storable(context, one));
    await context.changes.check();
    const ids = await writer.createRelationships(sound);
    for (const [at, id] of ids.entries()) {
      const type = sound[at]?.type ?? '';
      if (id !== null) addCount(made, type, 1);
    }
    looked += groups.flat().length;
    context.progress('relationships', looked, missing.length);
  }
  return made;
}

/** Names the ends by internal ids; relationships of which one end did not come back are left out. */
export function resolve(
  relationships: readonly BackupRelationship[],
  restored: ReadonlyMap<string, number>,
): NewRelationship[] {
  const idOf = (end: BackupRelationship['from']): number | undefined =>
    typeof end === 'number' ? end : restored.get(end);
  return relationships.flatMap(({ from, to, type, properties }) => {
    const [source, target] = [idOf(from), idOf(to)];
    return source === undefined || target === undefined ? [] : [{ source, target, type, properties }];
  });
}

const keyOf = ({ source, target, type }: Omit<NewRelationship, 'properties'>): string =>
  `${source}>${target}>${type}`;

/** What of it the graph does not have, by one walk through all of its relationships. */
async function withoutExisting(
  { graph, graphName, signal }: StepContext,
  wanted: readonly NewRelationship[],
): Promise<NewRelationship[]> {
  const existing = new Map<string, string[]>(wanted.map((one) => [keyOf(one), []]));
  for await (const page of liveRelationships(graph, graphName)) {
    signal.throwIfAborted();
    for (const one of page) existing.get(keyOf(one))?.push(printOf(one.properties));
  }
  return subtract(wanted, existing);
}

/** What of it the graph does not have at this moment, between nodes that are still the same. */
async function lackingNow(
  context: StepContext,
  names: LiveNames,
  wanted: readonly NewRelationship[],
): Promise<NewRelationship[]> {
  const there = await names.stillThere(
    context,
    wanted.flatMap(({ source, target }) => [source, target]),
  );
  const possible = wanted.filter(({ source, target }) => there.has(source) && there.has(target));
  const pairs = new Map(
    possible.map(({ source, target }) => [`${source}>${target}`, [source, target] as const]),
  );
  const existing = new Map<string, string[]>();
  for (const one of await relationshipsBetween(context.graph, context.graphName, [...pairs.values()])) {
    const key = keyOf(one);
    existing.set(key, [...(existing.get(key) ?? []), printOf(one.properties)]);
  }
  return subtract(possible, existing);
}

/** Each that exists takes away one that is wanted: the equal one, else any other of its type and ends. */
function subtract(
  wanted: readonly NewRelationship[],
  existing: ReadonlyMap<string, readonly string[]>,
): NewRelationship[] {
  return [...Map.groupBy(wanted, keyOf)].flatMap(([key, group]) => {
    const left = [...group];
    const unequal = (existing.get(key) ?? []).filter((print) => {
      const same = left.findIndex(({ properties }) => printOf(properties) === print);
      if (same >= 0) left.splice(same, 1);
      return same < 0;
    });
    return left.slice(Math.min(unequal.length, left.length));
  });
}

/** Doubles come back from the graph with 15 digits, so that is how they are compared. */
function printOf(properties: ValueMap): string {
  const sorted = Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1));
  return printPythonJson(Object.fromEntries(sorted)).replace(/-?\d+\.\d+(?:e[-+]?\d+)?/gi, (digits) =>
    String(Number(Number(digits).toPrecision(15))),
  );
}

/** The relationship as the graph can hold it; nothing where its type cannot be written. */
function storable(context: StepContext, one: NewRelationship): NewRelationship[] {
  const id = `${one.source} -${one.type}-> ${one.target}`;
  const { kept, refused } = storableProperties(one.properties);
  const sound = withoutUnsoundNames([one.type], kept);
  const reasons = [
    ...refused.map((name) => ({ name, reason: 'the graph cannot hold its value' })),
    ...sound.refused.filter(({ name }) => name !== one.type),
  ];
  for (const { name, reason } of reasons)
    context.quarantine({ kind: 'property', id: `${id} ${name}`, reason, record: one.properties[name] });
  if (sound.labels.length > 0) return [{ ...one, properties: sound.properties }];
  context.quarantine({ kind: 'relationship', id, reason: 'its type cannot be written', record: one });
  return [];
}
