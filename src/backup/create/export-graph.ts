import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, Failure } from '../../failure.js';
import { graphIndexes, type GraphIndex } from '../../stores/graph/graph-indexes.js';
import { LiveWatch, unlessForbidden } from '../../stores/graph/live-watch.js';
import type { GraphStore, GraphTotals } from '../../stores/graph/graph-store.js';
import { GraphExport, type ExportedGraph, type OnRead } from './graph-export.js';
import type { HalfFacts, HalfFile } from './half-file.js';

/** How often a half is read again when it did not come out whole. */
export const READS = 3;
const PAUSE_MS = 250;

export interface GraphSource {
  openGraph: () => Promise<GraphStore>;
  graphName: string;
}

/** A graph half that lies with its places, and only lacks its name. */
export interface GraphHalf {
  file: HalfFile;
  facts: HalfFacts;
  content: ExportedGraph;
  /** As the server lists them. */
  indexes: GraphIndex[];
  /** ISO-8601. */
  from: string;
  to: string;
  /** Whether the graph was written to while it was read; null where the server does not let us watch it. */
  written: boolean | null;
}

/** What the reading of a half needs. */
export interface ExportContext {
  timestamp: string;
  openFile: () => Promise<HalfFile>;
  onRead: OnRead;
  now: () => Date;
  signal: AbortSignal;
}

/**
 * Reads the graph into a file, and proves that all of it was read: by its own totals where nothing was written meanwhile,
 * and otherwise by walking it a second time. What does not come out whole is read again.
 *
 * @throws Failure `backup-source-empty`, `backup-unsteady`, or what the server says
 */
export async function exportGraph(source: GraphSource, context: ExportContext): Promise<GraphHalf> {
  const store = await source.openGraph();
  try {
    await assertThere(store, source.graphName);
    for (let read = 1; ; read++) {
      const half = await readOnce(store, source, context, read > 1);
      if (typeof half !== 'string') return half;
      if (read === READS) throw unsteady(`the graph ${source.graphName}`, half);
      await sleep(PAUSE_MS * read, undefined, { signal: context.signal });
    }
  } finally {
    store.close();
  }
}

/** @returns why it did not come out whole, in words */
async function readOnce(
  store: GraphStore,
  source: GraphSource,
  { timestamp, openFile, onRead, now, signal }: ExportContext,
  isCareful: boolean,
): Promise<GraphHalf | string> {
  const { graphName } = source;
  const file = await openFile();
  let watch: LiveWatch | null = null;
  try {
    watch = await unlessForbidden(LiveWatch.begin(source));
    const from = now().toISOString();
    const before = await store.totals(graphName);
    const reader = new GraphExport(store, graphName, file.writer, onRead, signal, isCareful);
    const content = await reader.write(timestamp);
    const after = await store.totals(graphName);
    const to = now().toISOString();
    const written = watch === null ? null : await unlessForbidden(watch.wasWrittenTo());
    const problem = isSame(before, after, content, written)
      ? null
      : await reader.proveAgain(() => store.totals(graphName), isQuiet(before, after, written));
    if (problem !== null) {
      await file.abandon();
      return problem;
    }
    const indexes = await graphIndexes(store, graphName);
    return { file, facts: await file.finish(), content, indexes, from, to, written };
  } catch (error) {
    await file.abandon();
    throw error;
  } finally {
    watch?.close();
  }
}

function isSame(
  before: GraphTotals,
  after: GraphTotals,
  { nodes, memories, relationships, late }: ExportedGraph,
  written: boolean | null,
): boolean {
  return (
    written === false &&
    late === 0 &&
    [before, after].every(
      (total) =>
        total.nodes === nodes && total.memories === memories && total.relationships === relationships,
    )
  );
}

/** Where the server does not let us watch it, the same totals before and after have to be those that were read. */
function isQuiet(before: GraphTotals, after: GraphTotals, written: boolean | null): boolean {
  if (written !== null) return !written;
  return before.nodes === after.nodes && before.relationships === after.relationships;
}

/** @throws Failure `backup-source-empty` where there is nothing to back up */
export async function assertThere(store: GraphStore, graph: string): Promise<void> {
  const kind = await store.kindOf(graph);
  if (kind === 'graph' && (await store.totals(graph)).nodes > 0) return;
  const reason =
    kind === 'graph'
      ? 'it is empty'
      : kind === 'none'
        ? 'there is no such graph'
        : 'it is a key of another kind';
  throw sourceEmpty(`the graph ${graph}`, reason);
}

/** Nobody wants a backup of a loss: it would push out the ones that can mend it. */
export function sourceEmpty(subject: string, reason: string): Failure {
  return new Failure({
    operation: 'back up',
    subject,
    reason: `${reason}, and a backup of it would mend nothing`,
    hint: 'Look what happened: lifeboat assess. To back up the other store alone: --only graph or --only vectors.',
    exitCode: ExitCode.notAsItShouldBe,
    code: 'backup-source-empty',
  });
}

export function unsteady(subject: string, reason: string): Failure {
  return new Failure({
    operation: 'back up',
    subject,
    reason: `it was read ${READS} times and never came out whole: ${reason}`,
    hint: 'No file was kept. Try again when less is written, or stop the service meanwhile.',
    exitCode: ExitCode.failed,
    code: 'backup-unsteady',
  });
}
