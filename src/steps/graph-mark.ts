import type { Checkpoints } from './change.js';
import { PackedTable } from './packed-table.js';

const FILE = 'live-graph.mark';
const MAGIC = 'lifeboat mark 1\n';

/**
 * How the live graph was when it was last read, and what became of each record: by internal id, hashes that tell a change,
 * and the internal id of the same node in the new graph (-1 where it has none). Kept so that whatever the service writes
 * after that read can be told apart from what was carried over.
 */
export class GraphMark {
  readonly nodes = new PackedTable(['body', 'access', 'key', 'target']);
  /** Ends are internal ids of the new graph. */
  readonly relationships = new PackedTable(['hash', 'from', 'to']);
  /** Key hashes of nodes that were deleted before they could be carried over: another source may have brought them. */
  readonly deletedKeys = new Set<number>();
  /** Points that were read of the collection; null where memories are not taken from it. */
  points: number | null = null;
  /** One beyond the greatest internal id of the new graph when it was promoted. */
  limit = 0;
  /** Whether the swap proved that nothing was written after the mark. */
  settled = false;

  /** The new graph's internal id of a live node; -1 where it was not carried over. */
  target(liveId: number): number {
    return this.nodes.value(liveId, 'target') ?? -1;
  }

  setTarget(liveId: number, target: number): void {
    const known = this.nodes.get(liveId);
    if (known !== null) this.nodes.set(liveId, { ...known, target });
  }

  /** Keeps the mark in the folder of the run, for a process that takes over after the swap. */
  async save(checkpoints: Checkpoints): Promise<void> {
    const { nodes, relationships, points, limit } = this;
    const head = { nodes: nodes.end, relationships: relationships.end, points, limit };
    const header = Buffer.from(`${MAGIC}${JSON.stringify(head)}\n`);
    await checkpoints.write(
      FILE,
      Buffer.concat([header, ...nodes.toBuffers(), ...relationships.toBuffers()]),
    );
  }

  /** @returns null where none was saved, or what was saved is none */
  static async load(checkpoints: Checkpoints): Promise<GraphMark | null> {
    const data = await checkpoints.read(FILE);
    if (data === null || data.toString('latin1', 0, MAGIC.length) !== MAGIC) return null;
    const start = data.indexOf('\n', MAGIC.length) + 1;
    const head = JSON.parse(data.toString('utf8', MAGIC.length, start)) as Record<
      'nodes' | 'relationships' | 'limit',
      number
    > & { points: number | null };
    const mark = new GraphMark();
    mark.points = head.points;
    mark.limit = head.limit;
    const taken = mark.nodes.fill(data.subarray(start), head.nodes);
    mark.relationships.fill(data.subarray(start + taken), head.relationships);
    return mark;
  }
}
