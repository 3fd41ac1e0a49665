import type { EmbeddingProvider } from '../../embedding/provider.js';
import type { MemoryIds } from '../differences.js';
import type { StepContext } from '../step.js';

/** The file of the run that holds it. */
const FILE = 'embedding.json';

/** Milliseconds between two writings of a count: each waits for the disk. */
const SAVE_MS = 2_000;

/** Which memories have their vector in the new space, by internal id: a collection does not tell. */
interface NewSpace {
  /** All that are below. */
  below: number;
  /** And these, from batches that overtook others. */
  beyond: number[];
}

interface Recorded {
  provider: string;
  model: string;
  size: number;
  vectors: number;
  /** Null where the provider does not count. */
  tokens: number | null;
  newSpace: NewSpace | null;
}

/**
 * What was embedded and paid for, on the disk: a run that goes on counts on, and where everything is embedded anew it knows
 * after each batch where it was.
 */
export class EmbeddingRecord {
  /** Taken from the selection, without a vector yet. */
  private readonly open = new Set<number>();
  private readonly beyond: Set<number>;
  private highest: number;
  private savedAt = -Infinity;

  private constructor(
    private readonly context: StepContext,
    private readonly recorded: Recorded,
    /** Whether this is the pass over all memories in which everything is embedded anew. */
    private readonly isPass: boolean,
  ) {
    this.beyond = new Set(recorded.newSpace?.beyond);
    this.highest = (recorded.newSpace?.below ?? 0) - 1;
  }

  /**
   * What was recorded in this space before, or nothing. A provider that another one took the place of begins anew.
   *
   * @param isAgain for memories that changed after their turn in the pass over all of them
   */
  static async load(
    context: StepContext,
    provider: EmbeddingProvider,
    size: number,
    isAgain = false,
  ): Promise<EmbeddingRecord> {
    const { newSpace } = context.options;
    const before = await read(context);
    const isSame =
      before?.provider === provider.name && before.model === provider.model && before.size === size;
    if (before !== null && newSpace && !isSame)
      context.notice(
        `This run embedded with ${before.provider} (${before.model}) before, and goes on with ${provider.name} (${provider.model}): everything is embedded once more.`,
      );
    const recorded: Recorded = {
      provider: provider.name,
      model: provider.model,
      size,
      vectors: before?.vectors ?? 0,
      tokens: before === null ? 0 : before.tokens,
      newSpace: newSpace ? ((isSame ? before.newSpace : null) ?? { below: 0, beyond: [] }) : null,
    };
    return new EmbeddingRecord(context, recorded, newSpace && !isAgain);
  }

  get counted(): { vectors: number; tokens: number | null } {
    return { vectors: this.recorded.vectors, tokens: this.recorded.tokens };
  }

  /** Those of a selection that have no vector of the new space yet; all of them where nothing is embedded anew. */
  withoutDone(selection: MemoryIds): MemoryIds {
    const { newSpace } = this.recorded;
    if (newSpace === null || !this.isPass) return selection;
    return new Map([...selection].filter(([, id]) => id >= newSpace.below && !this.beyond.has(id)));
  }

  /** Memories that are about to be embedded, page by page in the order of their internal ids. */
  begin(internalIds: readonly number[]): void {
    if (!this.isPass) return;
    for (const id of internalIds) {
      this.open.add(id);
      this.highest = Math.max(this.highest, id);
    }
  }

  /** A batch is written, or will never be: it need not be asked for again. */
  async done(internalIds: readonly number[], vectors: number, tokens: number | null): Promise<void> {
    const { recorded } = this;
    recorded.vectors += vectors;
    recorded.tokens = recorded.tokens === null || tokens === null ? null : recorded.tokens + tokens;
    if (this.isPass) recorded.newSpace = this.advanced(internalIds);
    // What is in the collection tells for itself; only the count may lag behind.
    if (this.isPass || performance.now() - this.savedAt > SAVE_MS) await this.save();
  }

  async save(): Promise<void> {
    this.savedAt = performance.now();
    await this.context.checkpoints.write(FILE, Buffer.from(JSON.stringify(this.recorded)));
  }

  private advanced(internalIds: readonly number[]): NewSpace {
    for (const id of internalIds) {
      this.open.delete(id);
      this.beyond.add(id);
    }
    let below = this.highest + 1;
    for (const id of this.open) below = Math.min(below, id);
    for (const id of this.beyond) if (id < below) this.beyond.delete(id);
    return { below, beyond: [...this.beyond] };
  }
}

async function read({ checkpoints }: StepContext): Promise<Recorded | null> {
  const found = await checkpoints.read(FILE);
  return found === null ? null : (JSON.parse(found.toString('utf8')) as Recorded);
}
