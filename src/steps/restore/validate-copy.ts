import { ExitCode, Failure } from '../../failure.js';
import { quoteName } from '../../stores/graph/cypher.js';
import type { GraphStore } from '../../stores/graph/graph-store.js';
import type { Step, StepContext } from '../step.js';
import { CopyRecord } from './copy-record.js';
import { saveStagedMemories } from './deleted-memories.js';
import { tellLeftBehind } from './left-behind.js';

/** Columns that are worth asking for besides the text of a node. */
const MAX_TYPES = 40;

/**
 * Reads the staged graph back, all of it, and holds it against what was staged: every node by labels and properties, every
 * relationship by ends, type and properties, 1 apart from 1.0. Only a copy that is the same may be promoted. Says what
 * of the live graph is not in it.
 */
export const validateCopy: Step = {
  id: 'validate-copy',
  title: 'Validate the copy',
  writes: false,
  store: 'graph',
  async run(context) {
    const { work } = context;
    const staged = work.copy;
    if (staged === null) throw new Error('nothing was staged');
    work.quarantinedPoints = [];
    await tellLeftBehind(context, staged);
    if (context.dryRun)
      return `${staged.nodes} nodes and ${staged.relationships} relationships would be staged`;
    // The server works on both at once.
    const beside = await context.openGraph();
    await Promise.all([compareNodes(context, staged), compareRelationships(context, beside, staged)]);
    await saveStagedMemories(context.checkpoints, staged.memories);
    return `${staged.nodes} nodes and ${staged.relationships} relationships are as they were staged, to the last property`;
  },
};

async function compareNodes(context: StepContext, staged: CopyRecord): Promise<void> {
  const { graph, stagingKey, signal } = context;
  let read = 0;
  const pages = graph.pages(stagingKey, (from, to) => comparePage(context, staged, from, to));
  for await (const nodes of pages) {
    signal.throwIfAborted();
    read += nodes;
    context.progress('nodes', read, staged.nodes);
  }
  // Ids are unique, so as many nodes that are as they were staged are all of them.
  if (read !== staged.nodes) throw mismatch(context, `${staged.nodes} nodes were staged, ${read} are there`);
}

/**
 * As texts, which the server prints and nothing takes apart; where those differ, or tell too little, property by property.
 *
 * @returns how many nodes there are
 */
async function comparePage(
  context: StepContext,
  staged: CopyRecord,
  from: number,
  to: number,
): Promise<number> {
  const { graph, stagingKey } = context;
  const keys = [...staged.numbers];
  const same = keys.length > MAX_TYPES ? null : await compareTexts(context, staged, keys, [from, to]);
  if (same !== null) return same;
  const page = await graph.nodesBetween(stagingKey, from, to);
  const other = page.find((node) => !staged.holds(node));
  if (other === undefined) return page.length;
  const { id } = other.properties;
  const name = typeof id === 'string' ? id : `${other.labels.join(':')} ${other.internalId}`;
  throw mismatch(context, `the node ${name} differs from what was staged`);
}

/** @returns how many nodes there are; null where one of them is not decided by its text */
async function compareTexts(
  { graph, stagingKey }: StepContext,
  staged: CopyRecord,
  keys: readonly string[],
  [from, to]: readonly [number, number],
): Promise<number | null> {
  const types = keys.map((key) => `typeOf(n.${quoteName(key)})`).join(', ');
  const rows = await graph.textRows(
    stagingKey,
    `MATCH (n) WHERE id(n) >= ${from} AND id(n) < ${to} RETURN id(n), toJSON(properties(n)), toJSON(labels(n)), toJSON([${types}])`,
  );
  const known = new Map<string, string[]>();
  for (const [id, text, labels, typeNames] of rows) {
    const names = texts(known, labels);
    const found = texts(known, typeNames);
    if (text == null || names === null || found === null) return null;
    if (!staged.holdsText(Number(id), text, names, new Map(found.map((type, at) => [keys[at] ?? '', type]))))
      return null;
  }
  return rows.length;
}

/** A list of texts; null where it is not JSON: the server escapes nothing. */
function texts(known: Map<string, string[]>, json: string | null | undefined): string[] | null {
  if (json == null) return null;
  let list = known.get(json);
  if (list !== undefined) return list;
  try {
    list = JSON.parse(json) as string[];
  } catch {
    return null;
  }
  known.set(json, list);
  return list;
}

async function compareRelationships(
  context: StepContext,
  graph: GraphStore,
  staged: CopyRecord,
): Promise<void> {
  const found = new CopyRecord();
  for await (const page of graph.relationships(context.stagingKey)) {
    context.signal.throwIfAborted();
    for (const { source, target, type, properties } of page)
      found.relationship(source, target, type, properties);
  }
  if (found.relationships !== staged.relationships)
    throw mismatch(
      context,
      `${staged.relationships} relationships were staged, ${found.relationships} are there`,
    );
  const at = found.differsAt(staged);
  if (at < 0) return;
  throw mismatch(context, `relationships of the node ${at} differ from what was staged`);
}

function mismatch({ stagingKey }: StepContext, reason: string): Failure {
  return new Failure({
    operation: 'validate the staged graph',
    subject: stagingKey,
    reason,
    hint: 'The live graph was not touched. Look at the log of the graph server for errors, then run the command again.',
    exitCode: ExitCode.failed,
    code: 'candidate-invalid',
  });
}
