import { IdSet } from '../../backup/pair/id-set.js';
import { memoryIdRows } from '../../stores/graph/memory-rows.js';
import type { Checkpoints } from '../change.js';
import { isFew } from '../few.js';
import type { StepContext } from '../step.js';

const FILE = 'staged-memories.json';

/** Keeps which memories the new graph has, for a process that takes over after the swap. */
export async function saveStagedMemories(checkpoints: Checkpoints, staged: IdSet): Promise<void> {
  const ids = Array.from({ length: staged.size }, (_, at) => staged.at(at));
  await checkpoints.write(FILE, Buffer.from(JSON.stringify(ids)));
}

async function loadStagedMemories(checkpoints: Checkpoints): Promise<IdSet | null> {
  const data = await checkpoints.read(FILE);
  if (data === null) return null;
  const staged = new IdSet();
  for (const id of JSON.parse(data.toString('utf8')) as string[]) staged.add(id);
  return staged;
}

/**
 * Memories that the run put into the graph and that have left it since the swap: the service deleted them, and their points
 * must not bring them back. More than a service deletes within a run is another loss: those points are brought back.
 */
export class DeletedMemories {
  private gone: ReadonlySet<string> = new Set();
  private hasTold = false;

  private constructor(
    private readonly context: StepContext,
    /** Null where the run put no graph there, or leaves it alone. */
    private readonly staged: IdSet | null,
  ) {}

  static async open(context: StepContext): Promise<DeletedMemories> {
    const { work, options, checkpoints } = context;
    const isOurs = work.promoted && options.only === null;
    const staged = isOurs ? (work.copy?.memories ?? (await loadStagedMemories(checkpoints))) : null;
    const deleted = new DeletedMemories(context, staged);
    await deleted.look();
    return deleted;
  }

  has(key: string): boolean {
    return this.gone.has(key);
  }

  /** @returns those that were deleted since the last look */
  async look(): Promise<string[]> {
    const { staged, context } = this;
    if (staged === null) return [];
    const live = new IdSet();
    for await (const page of memoryIdRows(context.graph, context.graphName)) {
      context.signal.throwIfAborted();
      for (const { id } of page) if (id !== null) live.add(id);
    }
    const gone = new Set<string>();
    for (let at = 0; at < staged.size; at++) if (live.findOf(staged, at) < 0) gone.add(staged.at(at));
    if (gone.size === staged.size || !isFew(gone.size, staged.size)) {
      this.tellTooMany(gone.size);
      gone.clear();
    }
    const before = this.gone;
    this.gone = gone;
    return [...gone].filter((key) => !before.has(key));
  }

  private tellTooMany(count: number): void {
    if (count === 0 || this.hasTold) return;
    this.hasTold = true;
    this.context.notice(
      `${count} memories left the new graph since the swap, too many to have been deleted one by one; their points are restored.`,
    );
  }
}
