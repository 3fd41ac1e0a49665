import { ExitCode, Failure } from '../failure.js';
import { differingField, fingerprintNode, fingerprintPayload } from '../memory/fingerprint.js';
import { joinKey } from '../memory/ids.js';
import type { ValueMap } from '../memory/values.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import { memoryRows, type MemoryRow } from '../stores/graph/memory-rows.js';
import type { GraphSink } from './graph-sink.js';
import { Origin, pointId, type SourceIndex } from './source-index.js';
import type { Step, StepContext } from './step.js';

/** Payloads fetched at once for memories whose fingerprint differs. */
const BATCH = 500;

/**
 * Reads the staged graph back and holds it against the source: every memory by id and content, every relationship type
 * by the sums over its ends. Only a candidate that passes may be promoted.
 */
export const validateCandidate: Step = {
  id: 'validate-candidate',
  title: 'Validate the candidate',
  writes: true,
  store: 'graph',
  async run(context) {
    const { sink, index } = context.work;
    if (sink === null || index === null) throw new Error('nothing was staged');
    // The sums take the server a while; a connection of their own lets it work on them beside the pages.
    const beside = await context.openGraph();
    const [checked] = await Promise.all([
      new ContentCheck(context, index).run(),
      compareTotals(context, beside, sink),
    ]);
    context.work.quarantinedPoints = [...index.entries(Origin.Quarantined)].map(({ key }) => key);
    return `${checked} memories compared by id and content, ${sink.written.relationships} relationships by their ends`;
  },
};

async function compareTotals(context: StepContext, graph: GraphStore, sink: GraphSink): Promise<void> {
  const survey = await graph.totals(context.stagingKey);
  expectEqual(context, 'nodes', sink.written.nodes, survey.nodes);
  expectEqual(context, 'memories', context.work.restored.memories, survey.memories);
  expectEqual(context, 'relationships', sink.written.relationships, survey.relationships);
  const digests = await graph.relationshipDigests(context.stagingKey);
  for (const [type, wanted] of sink.digests) {
    const found = digests.get(type);
    for (const sum of ['count', 'sources', 'targets', 'mixed'] as const) {
      expectEqual(context, `${type} relationships (${sum})`, wanted[sum], found?.[sum] ?? 0);
    }
  }
}

function expectEqual(context: StepContext, what: string, expected: number, actual: number): void {
  if (expected !== actual) throw mismatch(context, `${expected} ${what} were written, ${actual} are there`);
}

function mismatch(context: StepContext, reason: string): Failure {
  return new Failure({
    operation: 'validate the staged graph',
    subject: context.stagingKey,
    reason,
    hint: 'The live graph was not touched. Look at the log of the graph server for errors, then run the command again.',
    exitCode: ExitCode.failed,
    code: 'candidate-invalid',
  });
}

class ContentCheck {
  private checked = 0;
  private readonly seen: Uint8Array;
  private suspects: { key: string; properties: ValueMap; position: number }[] = [];

  constructor(
    private readonly context: StepContext,
    private readonly index: SourceIndex,
  ) {
    this.seen = new Uint8Array(index.size);
  }

  /** @returns the number of memories compared with their payloads. */
  async run(): Promise<number> {
    const { context, index } = this;
    for await (const page of memoryRows(context.graph, context.stagingKey)) {
      context.signal.throwIfAborted();
      for (const row of page) this.compare(row);
      if (this.suspects.length >= BATCH) await this.settle();
      context.progress('memories', this.checked, context.work.restored.memories);
    }
    await this.settle();
    for (const { key, position } of index.entries(
      Origin.Backup,
      Origin.Merged,
      Origin.Payload,
      Origin.Live,
    )) {
      if (this.seen[position] !== 1) throw mismatch(context, `the memory ${key} is missing`);
    }
    return this.checked;
  }

  private compare({ id, properties }: MemoryRow): void {
    if (id === null) return;
    const position = this.index.find(id);
    // A memory without a point (excluded type, no content) has no payload to be compared with.
    if (position < 0) return;
    this.seen[position] = 1;
    if (this.index.origin(position) === Origin.Live) return;
    this.checked++;
    if (fingerprintNode(properties, this.index.providedBits(position)) === this.index.hash(position)) return;
    this.suspects.push({ key: joinKey(id), properties, position });
  }

  /** Fingerprints differ where a last digit does, and where a rule salvaged something: those are compared in full. */
  private async settle(): Promise<void> {
    const batch = this.suspects;
    this.suspects = [];
    if (batch.length === 0) return;
    const { vectors, collection } = this.context;
    const points = await vectors.retrieve(
      collection,
      batch.map(({ key }) => pointId(key)),
      { payload: true, numbers: 'exact' },
    );
    const payloads = new Map(points.map(({ id, payload }) => [joinKey(id), payload]));
    for (const { key, properties, position } of batch) {
      const payload = payloads.get(key);
      // Deleted or written since the collection was read: the live graph has the newer word, which is caught up with.
      if (payload === undefined || fingerprintPayload(payload).hash !== this.index.hash(position)) continue;
      const different = differingField(payload, properties, this.index.providedBits(position));
      if (different !== null)
        throw mismatch(this.context, `the memory ${key} differs from its payload in ${different}`);
    }
  }
}
