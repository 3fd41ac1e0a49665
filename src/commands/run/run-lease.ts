import { setTimeout as sleep } from 'node:timers/promises';
import type { PlanOption } from '../../plans/types.js';
import type { Settings } from '../../settings/settings.js';
import { takeLease, type TakenLease } from './lease-places.js';
import type { SessionOptions } from './session-options.js';

/** Milliseconds. */
const RELEASE_ON_ABORT_MS = 1_000;

/** The lease of a run, wherever it is kept at the moment. */
export class RunLease {
  private held: TakenLease | null = null;

  /** @param onLost is told why, once; whoever took it over may be at work already */
  constructor(
    private readonly settings: Settings,
    private readonly options: Pick<SessionOptions, 'command' | 'takeOver'>,
    private readonly run: string,
    private readonly notice: (message: string) => void,
    private readonly onLost: (reason: Error) => void,
  ) {}

  /** Null before it is taken, and where none is. */
  get current(): TakenLease | null {
    return this.held;
  }

  get isLost(): boolean {
    return this.held?.lost.aborted === true;
  }

  /** @throws Failure (exit 11) where another run holds it */
  async take({ awayFromGraph = false }: { awayFromGraph?: boolean } = {}): Promise<void> {
    const lease = await takeLease(this.settings, {
      run: this.run,
      command: this.options.command,
      takeOver: this.options.takeOver,
      awayFromGraph,
      notice: this.notice,
    });
    lease.lost.addEventListener('abort', () => {
      if (this.held === lease) this.onLost(lease.lost.reason as Error);
    });
    const before = this.held;
    this.held = lease;
    await before?.release();
  }

  /** A lease beside the graph would be gone with the volume that is put back. */
  async moveFor({ steps }: PlanOption): Promise<void> {
    if (this.held?.besideGraph !== true || !steps.some(({ id }) => id === 'await-graph')) return;
    await this.take({ awayFromGraph: true });
  }

  /** Whoever aborts does not wait for a silent server: the lease runs out by itself. */
  async release(isAborted: boolean): Promise<void> {
    const release = this.held?.release() ?? Promise.resolve();
    if (isAborted) await Promise.race([release, sleep(RELEASE_ON_ABORT_MS)]);
    else await release;
  }
}
